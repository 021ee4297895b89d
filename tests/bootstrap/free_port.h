// SPDX-License-Identifier: Apache-2.0
//
// Ports for tests that listen on one again, or on the next one. They lie below the range from which
// the system takes ports of outgoing connections, where any program may sit on them by chance.

#ifndef THINWIRE_TESTS_BOOTSTRAP_FREE_PORT_H_
#define THINWIRE_TESTS_BOOTSTRAP_FREE_PORT_H_

#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "base/socket.h"

namespace thinwire {

// A port that is free, as is the one after it; another one in each call.
inline uint16_t FreePort() {
  constexpr int kFirst = 20000;
  constexpr int kPorts = 10000;
  static std::atomic<int> next = getpid() * 64;  // programs that run at once begin elsewhere
  for (;;) {
    const auto port = static_cast<uint16_t>(kFirst + next.fetch_add(2) % kPorts);
    if (Listen(nullptr, port).ok() && Listen(nullptr, static_cast<uint16_t>(port + 1)).ok()) {
      return port;
    }
  }
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_BOOTSTRAP_FREE_PORT_H_
