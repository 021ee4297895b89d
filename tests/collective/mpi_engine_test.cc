// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/collective_suite.h"
#include "support/engine_member.h"

namespace thinwire {
namespace {

EngineStack Over(const std::string& transport) {
  EngineStack stack;
  stack.transport = [transport](int) { return MakeTransport(transport, {}); };
  return stack;
}

// Beside loopback in one program, so that their bits are compared.
INSTANTIATE_TEST_SUITE_P(Engine, CollectiveSuite,
                         testing::Values(SuiteParam{"Loopback", MembersOf(Over("loopback")), false},
                                         SuiteParam{"Mpi", MembersOf(Over("mpi")), false}),
                         NameOfParam);

}  // namespace
}  // namespace thinwire
