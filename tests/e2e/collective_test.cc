// SPDX-License-Identifier: Apache-2.0
//
// The collective suite through the C API of the shared library, as programs use it.
#include <gtest/gtest.h>

#include "support/c_member.h"
#include "support/collective_suite.h"

namespace thinwire {
namespace {

Settings Shaped() {
  Settings settings;
  settings.shape = "rate=1gbit,delay=1ms";
  return settings;
}

// Measured links could lead to other algorithms, and those to other bits.
Settings Unmeasured(const std::string& transport) {
  Settings settings = Over(transport);
  settings.link = "unknown";
  return settings;
}

std::vector<SuiteParam> Stacks() {
  std::vector<SuiteParam> stacks = {{"Loopback", MembersOf(Over("loopback"))},
                                    {"Shaped", MembersOf(Shaped()), false},
                                    {"Tcp", MembersOf(Unmeasured("tcp")), false}};
#if THINWIRE_HAVE_UCX
  stacks.push_back({"Ucx", MembersOf(Unmeasured("ucx")), false});
#endif
  return stacks;
}

INSTANTIATE_TEST_SUITE_P(CApi, CollectiveSuite, testing::ValuesIn(Stacks()), NameOfParam);

}  // namespace
}  // namespace thinwire
