// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/variables.h"

namespace thinwire {
namespace {

constexpr std::array<std::string_view, 5> kLevels = {"NONE", "VERSION", "WARN", "INFO", "TRACE"};
constexpr std::array<std::string_view, 8> kSubsystems = {"INIT", "BOOTSTRAP", "ENV",   "NET",
                                                         "COLL", "TUNING",    "ALLOC", "CALL"};

// Read before Env, since Env itself may have something to say.
LogLevel LevelFromVariables() {
  const char* text = Variable("THINWIRE_DEBUG");
  if (text == nullptr) text = Variable("NCCL_DEBUG");
  return text == nullptr ? LogLevel::kWarn : ParseLogLevel(text);
}

std::atomic<LogLevel>& Threshold() {
  static std::atomic<LogLevel> threshold = LevelFromVariables();
  return threshold;
}

}  // namespace

LogLevel ParseLogLevel(std::string_view text) {
  const auto same = [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == b; };
  for (size_t i = 0; i < kLevels.size(); ++i) {
    if (std::ranges::equal(text, kLevels[i], same)) return static_cast<LogLevel>(i);
  }
  return LogLevel::kWarn;  // NCCL's ABORT among them, which would end the process after a warning
}

unsigned ParseSubsystems(std::string_view text) {
  const bool negated = text.starts_with('^');
  if (negated) text.remove_prefix(1);
  unsigned named = 0;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), name.size() + 1));
    if (name == "ALL") named = ~0u;
    // Others are NCCL's own.
    for (size_t i = 0; i < kSubsystems.size(); ++i) {
      if (name == kSubsystems[i]) named |= 1u << i;
    }
  }
  return negated ? ~named : named;
}

std::string LogPath(std::string_view text) {
  std::string path;
  for (; !text.empty(); text.remove_prefix(1)) {
    if (text.starts_with("%h")) {
      char host[256] = "";
      gethostname(host, sizeof(host) - 1);
      path += host;
      text.remove_prefix(1);
    } else if (text.starts_with("%p")) {
      path += fmt::format("{}", getpid());
      text.remove_prefix(1);
    } else {
      path += text.front();
    }
  }
  return path;
}

bool LogEnabled(LogLevel level, Subsystem subsystem) {
  if (level > Threshold().load(std::memory_order_relaxed)) return false;
  if (level <= LogLevel::kWarn) return true;
  static const unsigned subsystems = [] {
    const char* const text = Variable("NCCL_DEBUG_SUBSYS");
    return text == nullptr ? ~0u : ParseSubsystems(text);
  }();
  return (subsystems >> static_cast<unsigned>(subsystem) & 1u) != 0;
}

void SetLogLevel(LogLevel level) { Threshold().store(level, std::memory_order_relaxed); }

void LogLine(LogLevel level, const std::string& text) {
  // Never closed: exit handlers may log.
  static FILE* const file = [] {
    const char* const named = Variable("NCCL_DEBUG_FILE");
    FILE* const opened = named == nullptr ? nullptr : std::fopen(LogPath(named).c_str(), "ae");
    if (opened != nullptr) return opened;
    if (named != nullptr) {
      std::fprintf(stderr,
                   "thinwire [%d] WARN cannot open NCCL_DEBUG_FILE %s (%s): lines go here\n",
                   getpid(), LogPath(named).c_str(), std::strerror(errno));
    }
    return stderr;
  }();
  const std::string line =
      fmt::format("thinwire [{}] {} {}\n", getpid(), kLevels[static_cast<size_t>(level)], text);
  std::fwrite(line.data(), 1, line.size(), file);  // one call, so lines never interleave
  std::fflush(file);
}

}  // namespace thinwire
