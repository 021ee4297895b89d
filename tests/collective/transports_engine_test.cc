// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/collective_suite.h"
#include "support/engine_member.h"

namespace thinwire {
namespace {

SuiteParam Over(std::string_view transport) {
  EngineStack stack;
  stack.transport = [transport](int) { return MakeTransport(transport, {}); };
  return {std::string(transport), MembersOf(stack), false};
}

std::vector<SuiteParam> OverEachTransport() {
  std::vector<SuiteParam> params;
  for (const std::string_view name : TransportNames()) params.push_back(Over(name));
  return params;
}

// In one program, so that their bits are compared.
INSTANTIATE_TEST_SUITE_P(Engine, CollectiveSuite, testing::ValuesIn(OverEachTransport()),
                         NameOfParam);

}  // namespace
}  // namespace thinwire
