// SPDX-License-Identifier: Apache-2.0
//
// The few socket operations that the rendezvous needs: non-blocking TCP over IPv4 and IPv6 with
// deadlines. Layer `bootstrap`; no state of its own.

#ifndef THINWIRE_BOOTSTRAP_SOCKET_H_
#define THINWIRE_BOOTSTRAP_SOCKET_H_

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "bootstrap/unique_id.h"

namespace thinwire {

using Address = UniqueIdFields::Address;

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { Close(); }

  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void Close();

 private:
  int fd_ = -1;
};

// "10.0.0.1:4000", "[fe80::1]:4000".
std::string AddressText(const Address& address, uint16_t port);
// The same for the other end of a connected socket.
std::string PeerText(int fd);

// Up to kUniqueIdAddresses addresses of a host name or literal.
Result<std::vector<Address>> ResolveHost(const std::string& host);
// Where this machine can be reached: its interfaces' addresses, those of container bridges later,
// 127.0.0.1 last. With a name, the addresses of that interface only.
Result<std::vector<Address>> LocalAddresses(const std::string& interface);

// Listens on `address`, or everywhere (IPv6 and IPv4) if it is null; port 0 takes any free one.
Result<Fd> Listen(const Address* address, uint16_t port);
Result<uint16_t> LocalPort(int fd);
// An accepted connection, non-blocking and tuned; a closed Fd when none waits (errno says why).
Fd Accept(int listener);

Result<Fd> Connect(const Address& address, uint16_t port, TimePoint deadline);
// The whole span, or an error: kTimeout at the deadline, kRemote when the other end closed.
Status ReadAll(int fd, std::span<std::byte> target, TimePoint deadline);
Status WriteAll(int fd, std::span<const std::byte> source, TimePoint deadline);

// Milliseconds until `deadline` as poll() wants them: rounded up, never negative.
int PollTimeout(TimePoint deadline);

}  // namespace thinwire

#endif  // THINWIRE_BOOTSTRAP_SOCKET_H_
