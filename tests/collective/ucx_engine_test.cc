// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/collective_suite.h"
#include "support/engine_member.h"

namespace thinwire {
namespace {

EngineStack OverUcx() {
  EngineStack stack;
  stack.transport = [](int) { return MakeTransport("ucx", {}); };
  return stack;
}

// Beside loopback in one program, so that their bits are compared.
INSTANTIATE_TEST_SUITE_P(Engine, CollectiveSuite,
                         testing::Values(SuiteParam{"Loopback", MembersOf({MakeLoopback}), false},
                                         SuiteParam{"Ucx", MembersOf(OverUcx()), false}),
                         NameOfParam);

}  // namespace
}  // namespace thinwire
