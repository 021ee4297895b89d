// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace thinwire {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return InvalidArgument("{} is odd", value);
  return value / 2;
}

Result<int> Quarter(int value) {
  TW_ASSIGN(const int half, Half(value));
  return Half(half);
}

Status CheckQuarter(int value) {
  TW_TRY(Quarter(value).status());
  return {};
}

TEST(StatusTest, SuccessHasNoMessage) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), Code::kOk);
  EXPECT_EQ(status.message(), "");
}

TEST(StatusTest, ErrorsPassThroughTheMacrosUnchanged) {
  EXPECT_EQ(Quarter(12).value(), 3);
  const Status status = CheckQuarter(6);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(), "3 is odd");
}

TEST(StatusTest, ContextStandsBeforeTheMessageAndKeepsTheCode) {
  const Status status = TimeoutError("too late").WithContext("barrier");
  EXPECT_EQ(status.code(), Code::kTimeout);
  EXPECT_EQ(status.message(), "barrier: too late");
  EXPECT_TRUE(Status().WithContext("barrier").ok());
}

TEST(StatusTest, ErrnoBecomesText) {
  errno = ENOENT;
  EXPECT_EQ(SystemErrno("open x").message(), "open x: No such file or directory");
}

}  // namespace
}  // namespace thinwire
