// SPDX-License-Identifier: Apache-2.0
//
// Status and Result<T>: how every layer reports errors. No layer throws; the C boundary (src/api)
// maps codes one to one to thinwireResult_t and ncclResult_t.
//
// Three families (docs/errors.md): the caller's mistake (kInvalidArgument, kInvalidUsage), the
// environment or a peer (kSystem, kRemote, kTimeout, kCuda: "abort and rebuild the communicator"),
// and our own bug (kInternal). The message says what was wrong, where, and what to do.

#ifndef THINWIRE_BASE_STATUS_H_
#define THINWIRE_BASE_STATUS_H_

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>

namespace thinwire {

// Values equal those of ncclResult_t, so the boundary needs no table.
enum class Code : uint8_t {
  kOk = 0,
  kCuda = 1,
  kSystem = 2,
  kInternal = 3,
  kInvalidArgument = 4,
  kInvalidUsage = 5,
  kRemote = 6,
  kInProgress = 7,
  kTimeout = 8,
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message)
      : state_(std::make_shared<const State>(State{code, std::move(message)})) {}

  bool ok() const { return state_ == nullptr; }
  Code code() const { return ok() ? Code::kOk : state_->code; }
  const std::string& message() const;

  // The same error with `context: ` before its message.
  Status WithContext(const std::string& context) const;

 private:
  struct State {
    Code code;
    std::string message;
  };
  std::shared_ptr<const State> state_;  // null when OK: success costs one pointer
};

// Result<T>: a value or the error that stood in its way.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}         // NOLINT: implicit
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  Status status() const { return ok() ? Status() : std::get<1>(state_); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &value(); }
  T& operator*() & { return value(); }

 private:
  std::variant<T, Status> state_;
};

template <typename... Args>
Status Error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return Status(code, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
Status InvalidArgument(fmt::format_string<Args...> format, Args&&... args) {
  return Error(Code::kInvalidArgument, format, std::forward<Args>(args)...);
}
template <typename... Args>
Status InvalidUsage(fmt::format_string<Args...> format, Args&&... args) {
  return Error(Code::kInvalidUsage, format, std::forward<Args>(args)...);
}
template <typename... Args>
Status RemoteError(fmt::format_string<Args...> format, Args&&... args) {
  return Error(Code::kRemote, format, std::forward<Args>(args)...);
}
template <typename... Args>
Status TimeoutError(fmt::format_string<Args...> format, Args&&... args) {
  return Error(Code::kTimeout, format, std::forward<Args>(args)...);
}
template <typename... Args>
Status SystemError(fmt::format_string<Args...> format, Args&&... args) {
  return Error(Code::kSystem, format, std::forward<Args>(args)...);
}
template <typename... Args>
Status InternalError(fmt::format_string<Args...> format, Args&&... args) {
  return Error(Code::kInternal, format, std::forward<Args>(args)...);
}
// `what: text of errno`, e.g. SystemErrno("bind 127.0.0.1:80").
Status SystemErrno(const std::string& what);

}  // namespace thinwire

#define TW_CONCAT_INNER(a, b) a##b
#define TW_CONCAT(a, b) TW_CONCAT_INNER(a, b)

// Forwards an error of `expr` (a Status) to the caller.
#define TW_TRY(expr)                                              \
  do {                                                            \
    if (::thinwire::Status tw_status = (expr); !tw_status.ok()) { \
      return tw_status;                                           \
    }                                                             \
  } while (false)

// TW_ASSIGN(auto x, F()): x = value of F() (a Result), or forwards its error.
#define TW_ASSIGN(target, expr) TW_ASSIGN_INNER(TW_CONCAT(tw_result_, __LINE__), target, expr)
#define TW_ASSIGN_INNER(result, target, expr) \
  auto result = (expr);                       \
  if (!result.ok()) return result.status();   \
  target = std::move(result).value()

#endif  // THINWIRE_BASE_STATUS_H_
