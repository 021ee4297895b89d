// SPDX-License-Identifier: Apache-2.0
//
// That a file is JSON: tests/api/observability_test.py.
#include "comm/chrome_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "ended_calls.h"
#include "temporary_folder.h"

namespace thinwire {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Writer kWriter = {.rank = 1, .ranks = 2, .communicator = 42};

std::string ContentOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string TraceOf(const std::vector<EndedCall>& calls) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/trace";
  ChromeTrace trace(path, kWriter);
  for (const EndedCall& call : calls) trace.Add(call);
  EXPECT_TRUE(trace.Flush().ok());
  return ContentOf(path);
}

TEST(ChromeTraceTest, ACallIsASliceWithItsArguments) {
  EndedCall call = AllReduceCall(0.25, "q8");
  call.note = Note(0.2);
  call.first_send_seconds = 0.05;
  call.figures.wire_seconds = 0.1;
  const std::string trace = TraceOf({call});
  EXPECT_TRUE(trace.starts_with("[\n"));
  EXPECT_THAT(trace, HasSubstr(R"("name":"all_reduce","cat":"thinwire","ph":"X","pid":1,)"));
  EXPECT_THAT(trace, HasSubstr(R"("dur":250000.000,)"));
  EXPECT_THAT(trace, HasSubstr(R"("codec":"q8","algorithm":"sra")"));
  EXPECT_THAT(trace, HasSubstr(R"("ratio":4,)"));
  EXPECT_THAT(trace, HasSubstr(R"("predicted_ms":200)"));
  EXPECT_THAT(trace, HasSubstr(R"("name":"wire")"));
  EXPECT_THAT(trace, HasSubstr(R"("dur":100000.000,)"));
}

TEST(ChromeTraceTest, CallsAtOnceStandOnThreadsOfTheirOwn) {
  constexpr const char* kSecond = ", at once (2)";
  const EndedCall first = AllReduceCall(0.5, "raw", 1);
  EXPECT_THAT(TraceOf({first, AllReduceCall(0.5, "raw", 1.2)}), HasSubstr(kSecond));
  EXPECT_THAT(TraceOf({first, AllReduceCall(0.5, "raw", 1.5)}), Not(HasSubstr(kSecond)));
}

TEST(ChromeTraceTest, AFileGrowsAndIsSharedByCommunicators) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/trace";
  std::ofstream(path) << "left by a process before";
  ChromeTrace trace(path, kWriter);
  ASSERT_TRUE(trace.Flush().ok());
  const size_t begun = ContentOf(path).size();
  EXPECT_THAT(ContentOf(path), Not(HasSubstr("left")));
  ASSERT_TRUE(trace.Flush().ok());
  EXPECT_EQ(ContentOf(path).size(), begun) << "nothing was added";
  trace.Add(AllReduceCall(0.5));
  ASSERT_TRUE(trace.Flush().ok());
  ChromeTrace other(path, {.rank = 0, .ranks = 2, .communicator = 42});
  ASSERT_TRUE(other.Flush().ok());
  EXPECT_THAT(ContentOf(path), HasSubstr(R"("name":"all_reduce")"));
  EXPECT_THAT(ContentOf(path), HasSubstr(R"("sort_index":0)"));
}

TEST(ChromeTraceTest, AFileThatCannotBeWrittenIsNamed) {
  ChromeTrace trace("/nowhere/at/all", kWriter);
  EXPECT_THAT(trace.Flush().message(), HasSubstr("/nowhere/at/all"));
}

}  // namespace
}  // namespace thinwire
