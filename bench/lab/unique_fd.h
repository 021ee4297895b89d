// SPDX-License-Identifier: Apache-2.0
// A file descriptor with an owner, the clock, and the one error type of the tool. The tool uses
// exceptions (the library doesn't): unwinding is what guarantees that a failed start leaves
// nothing behind.
#ifndef THINWIRE_BENCH_LAB_UNIQUE_FD_H_
#define THINWIRE_BENCH_LAB_UNIQUE_FD_H_

#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace thinwire::lab {

inline constexpr int kExitUsage = 2;
inline constexpr int kExitNoPrivilege = 77;  // what test runners take for "skipped"

// Ends the tool with a message and an exit status.
class LabError : public std::runtime_error {
 public:
  explicit LabError(const std::string& what, int status = 1)
      : std::runtime_error(what), status_(status) {}
  int status() const { return status_; }

 private:
  int status_;
};

// LabError with `what` and the text of errno.
[[noreturn]] void ThrowErrno(const std::string& what);

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { Close(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

inline int64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

inline timespec ToTimespec(int64_t nanoseconds) {
  return {static_cast<time_t>(nanoseconds / 1'000'000'000), nanoseconds % 1'000'000'000};
}

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_UNIQUE_FD_H_
