// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace thinwire {
namespace {

unsigned Bit(Subsystem subsystem) { return 1u << static_cast<unsigned>(subsystem); }

TEST(LogTest, SubsystemsAreListedOrLeftOut) {
  EXPECT_EQ(ParseSubsystems("INIT,NET"), Bit(Subsystem::kInit) | Bit(Subsystem::kNet));
  EXPECT_EQ(ParseSubsystems("^TUNING") & Bit(Subsystem::kTuning), 0u);
  EXPECT_NE(ParseSubsystems("^TUNING") & Bit(Subsystem::kCall), 0u);
  EXPECT_EQ(ParseSubsystems("ALL"), ~0u);
  EXPECT_EQ(ParseSubsystems("NVLS,ENV"), Bit(Subsystem::kEnv)) << "of NCCL's own there are none";
}

TEST(LogTest, LevelsAreNamedInAnyCaseOfLetters) {
  EXPECT_EQ(ParseLogLevel("INFO"), LogLevel::kInfo);
  EXPECT_EQ(ParseLogLevel("info"), LogLevel::kInfo);
  EXPECT_EQ(ParseLogLevel("Version"), LogLevel::kVersion);
  EXPECT_EQ(ParseLogLevel("none"), LogLevel::kNone);
  EXPECT_EQ(ParseLogLevel("ABORT"), LogLevel::kWarn) << "NCCL's";
  EXPECT_EQ(ParseLogLevel("INFORMATION"), LogLevel::kWarn);
}

TEST(LogTest, FilesAreTheirLayers) {
  EXPECT_EQ(SubsystemOf("/a/base/src/bootstrap/root.cc"), Subsystem::kBootstrap);
  EXPECT_EQ(SubsystemOf("src/transport/tcp/doorway.cc"), Subsystem::kNet);
  EXPECT_EQ(SubsystemOf("/a/src/comm/communicator.cc"), Subsystem::kInit);
}

TEST(LogTest, PathsNameHostAndProcess) {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  EXPECT_EQ(LogPath("/tmp/%h.%p.log"),
            "/tmp/" + std::string(host) + "." + std::to_string(getpid()) + ".log");
  EXPECT_EQ(LogPath("100%"), "100%");
}

// In a process of its own, since a process opens its file once.
TEST(LogDeathTest, AFileThatCannotBeOpenedIsNamedOnceAndLinesGoToStandardError) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        setenv("NCCL_DEBUG_FILE", "/nowhere/at/all", 1);
        LogLine(LogLevel::kWarn, "first");
        LogLine(LogLevel::kWarn, "second");
        std::exit(0);
      },
      testing::ExitedWithCode(0),
      "cannot open NCCL_DEBUG_FILE /nowhere/at/all.*\n.*WARN first\n.*WARN second\n");
}

}  // namespace
}  // namespace thinwire
