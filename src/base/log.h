// SPDX-License-Identifier: Apache-2.0
//
// Log lines to standard error (never standard output), filtered by THINWIRE_DEBUG. The layer that
// classifies an error logs it, once; callers only forward the Status. Safe from any thread.

#ifndef THINWIRE_BASE_LOG_H_
#define THINWIRE_BASE_LOG_H_

#include <fmt/format.h>

#include <string>

namespace thinwire {

enum class LogLevel : int { kNone = 0, kWarn = 1, kInfo = 2, kTrace = 3 };

bool LogEnabled(LogLevel level);
void SetLogLevel(LogLevel level);
void LogLine(LogLevel level, const std::string& text);

}  // namespace thinwire

// TW_LOG(kInfo, "rank {} of {}", rank, nranks): the arguments are evaluated only if printed.
#define TW_LOG(level, ...)                                                          \
  do {                                                                              \
    if (::thinwire::LogEnabled(::thinwire::LogLevel::level)) {                      \
      ::thinwire::LogLine(::thinwire::LogLevel::level, ::fmt::format(__VA_ARGS__)); \
    }                                                                               \
  } while (false)

#endif  // THINWIRE_BASE_LOG_H_
