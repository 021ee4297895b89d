// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/flow_tuning.h"

#include <linux/sockios.h>
#include <linux/tcp.h>  // more of TCP_INFO than netinet/tcp.h has
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>

#include "base/log.h"
#include "base/socket.h"

namespace thinwire {
namespace {

constexpr int kWantedBuffer = 16 << 20;

void Set(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof(value));  // tuning: works without it, too
}

bool SetCongestion(int fd, const std::string& name) {
  return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(),
                    static_cast<socklen_t>(name.size())) == 0;
}

std::string CongestionOf(int fd) {
  char name[16] = "";
  socklen_t length = sizeof(name);
  getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length);
  name[sizeof(name) - 1] = '\0';
  return name;
}

Status CongestionError(const std::string& name) {
  const bool forbidden = errno == EPERM;
  std::string known;
  std::ifstream file("/proc/sys/net/ipv4/tcp_available_congestion_control");
  std::getline(file, known);
  return InvalidArgument(
      "congestion control '{}' (THINWIRE_CONGESTION) {}; the kernel has: {}", name,
      forbidden ? "is not among net.ipv4.tcp_allowed_congestion_control" : "is not there", known);
}

// The size to ask for, where what is granted is more than the kernel's own tuning goes to (the last
// number of `limits`), else 0. A fixed buffer serves a long link from the first byte, a small one
// caps it for good.
int BufferToAsk(int fd, int option, const char* limits) {
  Set(fd, SOL_SOCKET, option, kWantedBuffer);
  int granted = 0;
  socklen_t length = sizeof(granted);
  getsockopt(fd, SOL_SOCKET, option, &granted, &length);
  int64_t least = 0;
  int64_t usual = 0;
  int64_t ceiling = 0;
  std::ifstream(limits) >> least >> usual >> ceiling;
  return granted > ceiling ? kWantedBuffer : 0;
}

}  // namespace

Result<FlowTuning> FlowTuning::Choose(const TransportOptions& options) {
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.open()) return SystemErrno("socket");
  FlowTuning tuning;
  if (!options.congestion.empty()) {
    if (!SetCongestion(fd.get(), options.congestion)) return CongestionError(options.congestion);
  } else if (!SetCongestion(fd.get(), "bbr")) {
    TW_LOG(kInfo, "no congestion control bbr here ({}): {} stays, with more flows under loss",
           errno == EPERM ? "not allowed" : "not in this kernel", CongestionOf(fd.get()));
  }
  tuning.congestion_ = CongestionOf(fd.get());
  tuning.silence_seconds_ = options.silence_seconds;
  tuning.send_buffer_ = BufferToAsk(fd.get(), SO_SNDBUF, "/proc/sys/net/ipv4/tcp_wmem");
  tuning.receive_buffer_ = BufferToAsk(fd.get(), SO_RCVBUF, "/proc/sys/net/ipv4/tcp_rmem");
  return tuning;
}

void FlowTuning::Apply(int fd) const {
  SetCongestion(fd, congestion_);
  Set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (send_buffer_ > 0) Set(fd, SOL_SOCKET, SO_SNDBUF, send_buffer_);
  if (receive_buffer_ > 0) Set(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer_);
  if (silence_seconds_ > 0) {
    // Twice: the engine, which can say more, speaks first.
    const double milliseconds = std::min(silence_seconds_ * 2e3, 2e9);
    Set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(milliseconds));
  }
}

void FlowTuning::Renew(int fd) const {
  if (slowed_by_loss()) return;
  SetCongestion(fd, "reno");  // always there; the same one again would change nothing
  SetCongestion(fd, congestion_);
}

void LimitUnsent(int fd, size_t bytes) {
  Set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, static_cast<int>(bytes));
}

FlowFigures ReadFigures(int fd) {
  constexpr uint32_t kNever = std::numeric_limits<uint32_t>::max();
  tcp_info info = {};
  socklen_t length = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return {};
  FlowFigures figures;
  figures.round_trip_seconds = info.tcpi_rtt * 1e-6;
  figures.shortest_round_trip_seconds = info.tcpi_min_rtt == kNever ? 0 : info.tcpi_min_rtt * 1e-6;
  figures.delivery_rate = static_cast<double>(info.tcpi_delivery_rate);
  figures.acknowledged_bytes = info.tcpi_bytes_acked;
  figures.sent_packets = info.tcpi_data_segs_out;
  figures.sent_again_packets = info.tcpi_total_retrans;
  return figures;
}

size_t Unacknowledged(int fd) {
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? static_cast<size_t>(bytes) : 0;
}

}  // namespace thinwire
