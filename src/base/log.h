// SPDX-License-Identifier: Apache-2.0
//
// Log lines to standard error (never standard output) or a file. The layer that classifies an error
// logs it, once; callers only forward the Status. Safe from any thread. Read from the environment,
// once:
//   THINWIRE_DEBUG, or else NCCL_DEBUG: NONE, VERSION, WARN (the default, and what others mean),
//     INFO or TRACE, in any case of letters.
//   NCCL_DEBUG_SUBSYS: which subsystems' INFO and TRACE lines: "INIT,NET", or all but "^INIT,NET".
//     Those there are: INIT, BOOTSTRAP, ENV, NET, COLL, TUNING, ALLOC, CALL. Default: all.
//   NCCL_DEBUG_FILE: where lines go; %h is the host's name, %p the process. Default, and where it
//     can't be opened, which is said once: standard error.

#ifndef THINWIRE_BASE_LOG_H_
#define THINWIRE_BASE_LOG_H_

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace thinwire {

enum class LogLevel : int { kNone = 0, kVersion = 1, kWarn = 2, kInfo = 3, kTrace = 4 };

enum class Subsystem : uint8_t { kInit, kBootstrap, kEnv, kNet, kColl, kTuning, kAlloc, kCall };

// By the layer that a file belongs to.
constexpr Subsystem SubsystemOf(std::string_view file) {
  const auto in = [file](std::string_view layer) { return file.find(layer) != file.npos; };
  if (in("src/bootstrap/")) return Subsystem::kBootstrap;
  if (in("src/base/")) return Subsystem::kEnv;
  if (in("src/transport/")) return Subsystem::kNet;
  if (in("src/collective/")) return Subsystem::kColl;
  if (in("src/device/")) return Subsystem::kAlloc;
  if (in("src/api/")) return Subsystem::kCall;
  return Subsystem::kInit;
}

// What NCCL_DEBUG, NCCL_DEBUG_SUBSYS and NCCL_DEBUG_FILE say: a level; a bit for each subsystem; a
// path.
LogLevel ParseLogLevel(std::string_view text);
unsigned ParseSubsystems(std::string_view text);
std::string LogPath(std::string_view text);

bool LogEnabled(LogLevel level, Subsystem subsystem);
void SetLogLevel(LogLevel level);
void LogLine(LogLevel level, const std::string& text);

}  // namespace thinwire

// TW_LOG(kInfo, "rank {} of {}", rank, nranks): the arguments are evaluated only if printed. The
// subsystem is that of the layer, or named: TW_LOG_OF(kTuning, kInfo, ...).
#define TW_LOG(level, ...) \
  TW_LOG_IF(::thinwire::LogLevel::level, ::thinwire::SubsystemOf(__FILE__), __VA_ARGS__)
#define TW_LOG_OF(subsystem, level, ...) \
  TW_LOG_IF(::thinwire::LogLevel::level, ::thinwire::Subsystem::subsystem, __VA_ARGS__)
#define TW_LOG_IF(level, subsystem, ...)                      \
  do {                                                        \
    constexpr ::thinwire::Subsystem kLogged = subsystem;      \
    if (::thinwire::LogEnabled(level, kLogged)) {             \
      ::thinwire::LogLine(level, ::fmt::format(__VA_ARGS__)); \
    }                                                         \
  } while (false)

#endif  // THINWIRE_BASE_LOG_H_
