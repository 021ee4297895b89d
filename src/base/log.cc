// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace thinwire {
namespace {

// Read before Env, since Env itself may have something to say.
LogLevel LevelFromEnvironment() {
  const char* text = std::getenv("THINWIRE_DEBUG");
  const std::string_view level = text == nullptr ? "" : text;
  if (level == "NONE") return LogLevel::kNone;
  if (level == "INFO") return LogLevel::kInfo;
  if (level == "TRACE") return LogLevel::kTrace;
  return LogLevel::kWarn;
}

std::atomic<LogLevel>& Threshold() {
  static std::atomic<LogLevel> threshold = LevelFromEnvironment();
  return threshold;
}

}  // namespace

bool LogEnabled(LogLevel level) { return level <= Threshold().load(std::memory_order_relaxed); }

void SetLogLevel(LogLevel level) { Threshold().store(level, std::memory_order_relaxed); }

void LogLine(LogLevel level, const std::string& text) {
  constexpr std::string_view kNames[] = {"", "WARN", "INFO", "TRACE"};
  const std::string line =
      fmt::format("thinwire [{}] {} {}\n", getpid(), kNames[static_cast<int>(level)], text);
  std::fwrite(line.data(), 1, line.size(), stderr);  // one call, so lines never interleave
}

}  // namespace thinwire
