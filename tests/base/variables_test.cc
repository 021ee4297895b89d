// SPDX-License-Identifier: Apache-2.0
#include "base/variables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

namespace thinwire {
namespace {

using testing::Contains;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(VariablesTest, LinesAreNamesAndValues) {
  std::istringstream lines(
      "# a comment\n\nNCCL_DEBUG=INFO\n  NCCL_SOCKET_IFNAME = =eth0 # and why\nnothing\n"
      "NCCL_DEBUG=WARN\n");
  EXPECT_THAT(ParseVariables(lines), UnorderedElementsAre(Pair("NCCL_DEBUG", "INFO"),
                                                          Pair("NCCL_SOCKET_IFNAME", "=eth0")));
}

TEST(VariablesTest, WhatMeansNothingIsNamed) {
  setenv("NCCL_IB_HCA", "mlx5", 1);
  setenv("NCCL_COMM_BLOCKING", "1", 1);
  EXPECT_THAT(IgnoredVariables(), Contains("NCCL_IB_HCA"));
  EXPECT_THAT(IgnoredVariables(), Not(Contains("NCCL_COMM_BLOCKING")));
  setenv("NCCL_ALGO", "Ring", 1);
  EXPECT_THAT(IgnoredVariables(), Not(Contains("NCCL_ALGO")));
  unsetenv("NCCL_ALGO");
  unsetenv("NCCL_IB_HCA");
  unsetenv("NCCL_COMM_BLOCKING");
}

TEST(VariablesTest, EmptyIsNotSet) {
  setenv("THINWIRE_SOMETHING", "", 1);
  EXPECT_EQ(Variable("THINWIRE_SOMETHING"), nullptr);
  setenv("THINWIRE_SOMETHING", "x", 1);
  EXPECT_STREQ(Variable("THINWIRE_SOMETHING"), "x");
  unsetenv("THINWIRE_SOMETHING");
}

}  // namespace
}  // namespace thinwire
