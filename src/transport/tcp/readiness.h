// SPDX-License-Identifier: Apache-2.0
//
// Readiness: which of many descriptors can be read or written, and a sleep until one can, or until
// somebody wakes the sleeper. epoll, level-triggered, with an eventfd. Layer: transport.
//
// Threads: one at a time, except Wake, which any thread may call.

#ifndef THINWIRE_TRANSPORT_TCP_READINESS_H_
#define THINWIRE_TRANSPORT_TCP_READINESS_H_

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/clock.h"
#include "base/socket.h"
#include "base/status.h"

namespace thinwire {

// What stands behind a watched descriptor; must outlive the use of what Ready returned.
struct Watched {
  enum class Kind : uint8_t { kListener, kVisitor, kFlow };
  explicit Watched(Kind k) : kind(k) {}
  const Kind kind;
};

class Readiness {
 public:
  Status Open();

  // `events`: EPOLLIN and EPOLLOUT; `watched` comes back with what is ready. A descriptor that is
  // closed is no longer watched.
  Status Add(int fd, uint32_t events, Watched* watched);
  void Change(int fd, uint32_t events, Watched* watched);

  // What is ready now; valid until the next call.
  std::span<const epoll_event> Ready();
  // Sleeps until something is ready, Wake was called, or the deadline. A Wake before it counts.
  void Wait(TimePoint deadline);
  void Wake();

 private:
  Fd epoll_;
  Fd wake_;
  std::array<epoll_event, 256> ready_;
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TCP_READINESS_H_
