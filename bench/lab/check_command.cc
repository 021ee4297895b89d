// SPDX-License-Identifier: Apache-2.0
// thinwire-lab check: measures the emulation with an echo over UDP and a stream over TCP between
// two hosts, each a thread in its namespace, and compares with what was set.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <thread>

#include "base/clock.h"
#include "lab_commands.h"

namespace thinwire::lab {
namespace {

constexpr int kEchoPort = 7007;
constexpr int kStreamPort = 7008;
constexpr int kPings = 21;
constexpr int64_t kRttToleranceNs = 1'000'000;
constexpr double kLeastGoodput = 0.9;  // of the rate
constexpr int kWarmUpRoundTrips = 20;  // slow start
constexpr int kIpTcpHeader = 52;       // with timestamps
constexpr size_t kChunk = 256 * 1024;

sockaddr_in Endpoint(int rank, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(Ipv4Of(rank));
  return address;
}

// A socket that belongs to the namespace of `rank`, whichever thread uses it.
UniqueFd SocketIn(const EmulatedNetwork& network, int rank, int type) {
  UniqueFd result;
  InNamespace(network.netns(rank), [&] {
    result = UniqueFd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
    if (!result.valid()) ThrowErrno("socket");
  });
  return result;
}

void Bind(const UniqueFd& fd, int rank, int port) {
  const sockaddr_in address = Endpoint(rank, port);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ThrowErrno("bind");
  }
}

void Connect(const UniqueFd& fd, int rank, int port) {
  const sockaddr_in address = Endpoint(rank, port);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ThrowErrno("connect");
  }
}

void SetReceiveTimeout(const UniqueFd& fd, int64_t nanoseconds) {
  const timeval limit = {nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000 / 1000};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

// Sends back what comes, until the socket is shut down.
void Echo(const UniqueFd& fd) {
  char buffer[64];
  sockaddr_in from{};
  for (;;) {
    socklen_t length = sizeof(from);
    const ssize_t size =
        recvfrom(fd.get(), buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (size <= 0) return;
    sendto(fd.get(), buffer, static_cast<size_t>(size), 0, reinterpret_cast<sockaddr*>(&from),
           length);
  }
}

// Median round trip of small packets, in nanoseconds. Lost ones are left out.
int64_t MeasureRoundTrip(const EmulatedNetwork& network, int64_t set_ns) {
  const UniqueFd server = SocketIn(network, 1, SOCK_DGRAM);
  const UniqueFd client = SocketIn(network, 0, SOCK_DGRAM);
  Bind(server, 1, kEchoPort);
  Connect(client, 1, kEchoPort);
  SetReceiveTimeout(client, 2 * set_ns + 500'000'000);
  std::thread echo([&] { Echo(server); });
  std::vector<int64_t> times;
  for (uint64_t i = 0; i < kPings; ++i) {
    const int64_t start = MonotonicNs();
    uint64_t answer = UINT64_MAX;
    if (send(client.get(), &i, sizeof(i), 0) < 0) continue;
    if (recv(client.get(), &answer, sizeof(answer), 0) != sizeof(answer) || answer != i) continue;
    times.push_back(MonotonicNs() - start);
  }
  shutdown(server.get(), SHUT_RDWR);  // wakes the other thread, though it says "not connected"
  echo.join();
  if (times.empty()) throw LabError("no answer came back");
  std::nth_element(times.begin(), times.begin() + static_cast<int64_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

// Bits per second of payload of one TCP stream, once it has warmed up.
double MeasureGoodput(const EmulatedNetwork& network, int64_t round_trip_ns, double seconds) {
  const UniqueFd listener = SocketIn(network, 1, SOCK_STREAM);
  const UniqueFd sender = SocketIn(network, 0, SOCK_STREAM);
  Bind(listener, 1, kStreamPort);
  if (listen(listener.get(), 1) != 0) ThrowErrno("listen");
  Connect(sender, 1, kStreamPort);
  const UniqueFd receiver(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!receiver.valid()) ThrowErrno("accept");
  std::thread source([&] {
    const std::vector<char> chunk(kChunk);
    while (send(sender.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  std::atomic<int64_t> received = 0;
  std::thread sink([&] {
    std::vector<char> chunk(kChunk);
    for (ssize_t size; (size = recv(receiver.get(), chunk.data(), chunk.size(), 0)) > 0;) {
      received += size;
    }
  });
  const auto sleep = [](double wanted) {
    std::this_thread::sleep_for(std::chrono::duration<double>(wanted));
  };
  sleep(0.5 + kWarmUpRoundTrips * static_cast<double>(round_trip_ns) / 1e9);
  const int64_t bytes = received;
  const int64_t start = MonotonicNs();
  sleep(seconds);
  const auto got = static_cast<double>(received - bytes);
  const double rate = got * 8e9 / static_cast<double>(MonotonicNs() - start);
  shutdown(sender.get(), SHUT_RDWR);
  shutdown(receiver.get(), SHUT_RDWR);
  source.join();
  sink.join();
  return rate;
}

}  // namespace

int RunCheck(const LabOptions& options) {
  const Link link = options.network.links.at(0, 1);
  EmulatedNetwork network(options.network);
  const int64_t set_ns = 2 * FromSeconds(link.delay).count();
  const int64_t round_trip_ns = MeasureRoundTrip(network, set_ns);
  const double goodput = MeasureGoodput(network, round_trip_ns, options.check_seconds);
  const ForwarderStats& stats = network.Stop();

  const double rate = link.rate * 8;
  const double ideal = rate * (options.network.mtu - kIpTcpHeader) / options.network.mtu;
  const bool rtt_ok = std::abs(round_trip_ns - set_ns) <= kRttToleranceNs;
  // With loss, goodput is a matter of congestion control, not of the emulation.
  const bool goodput_ok = link.loss > 0 || (goodput >= kLeastGoodput * rate && goodput <= rate);
  fmt::print("rtt      set {:9.3f} ms      measured {:9.3f} ms      {}\n",
             static_cast<double>(set_ns) / 1e6, static_cast<double>(round_trip_ns) / 1e6,
             rtt_ok ? "ok" : "OFF by more than 1 ms");
  fmt::print(
      "goodput  set {:9.2f} Mbit/s  measured {:9.2f} Mbit/s  {:.3f} of the rate (ideal "
      "{:.3f})  {}\n",
      rate / 1e6, goodput / 1e6, goodput / rate, ideal / rate,
      link.loss > 0 ? "not judged, there is loss"
                    : (goodput_ok ? "ok" : "OFF: not within 0.9 to 1 of the rate"));
  Report(stats, options.stats);
  return rtt_ok && goodput_ok ? 0 : 1;
}

}  // namespace thinwire::lab
