// SPDX-License-Identifier: Apache-2.0
//
// The C boundary: every extern "C" body runs inside Guard, which turns Status and exceptions into a
// result code and keeps the text for thinwireGetLastError.

#ifndef THINWIRE_API_GUARD_H_
#define THINWIRE_API_GUARD_H_

#include <exception>
#include <string>

#include "base/status.h"
#include "thinwire/thinwire.h"

namespace thinwire {

// Text of the calling thread's last failure.
inline std::string& LastError() {
  static thread_local std::string text;
  return text;
}

inline thinwireResult_t ToResult(const Status& status) {
  if (!status.ok()) LastError() = status.message();
  return static_cast<thinwireResult_t>(status.code());
}

template <typename Body>
thinwireResult_t Guard(Body&& body) noexcept {
  try {
    return ToResult(body());
  } catch (const std::exception& failure) {
    return ToResult(SystemError("out of resources: {}", failure.what()));
  }
}

inline Status CheckPointer(const void* pointer, const char* name) {
  if (pointer == nullptr) return InvalidArgument("{} is NULL", name);
  return {};
}

}  // namespace thinwire

#endif  // THINWIRE_API_GUARD_H_
