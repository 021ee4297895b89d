// SPDX-License-Identifier: Apache-2.0
//
// Ranks as threads of the test: makes their transports, exchanges the addresses, connects, runs a
// body on each and closes.

#ifndef THINWIRE_TESTS_TRANSPORT_RANKS_H_
#define THINWIRE_TESTS_TRANSPORT_RANKS_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "transport/transport.h"

namespace thinwire {

// Makes a transport for one of `ranks` ranks.
using MakeForRanks = std::function<Result<std::unique_ptr<Transport>>(int ranks)>;

// How long anything in a test may take before it counts as hung.
inline TimePoint Patience() { return Now() + std::chrono::seconds(60); }

// `size` bytes that depend on all of `seed` and `size`.
inline std::vector<std::byte> Pattern(uint64_t seed, size_t size) {
  std::vector<std::byte> bytes(size);
  uint64_t state = (seed + 1) * 0x9e3779b97f4a7c15u + size;
  for (std::byte& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

inline std::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// One rank's end in a test body.
class Rank {
 public:
  Rank(int rank, int ranks, Transport* transport)
      : rank_(rank), ranks_(ranks), transport_(transport) {}

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  Transport& transport() { return *transport_; }

  // Polls and waits until done() or patience ends; what arrives is appended to `arrived`.
  template <typename Done>
  void Until(Done done) {
    const TimePoint deadline = Patience();
    for (;;) {
      const bool moved = transport_->Poll(&arrived);
      if (done()) return;
      if (Now() >= deadline) {
        ADD_FAILURE() << "rank " << rank_ << " waited in vain; " << arrived.size() << " arrived";
        return;
      }
      if (!moved) transport_->Wait(deadline);
    }
  }
  void UntilArrived(size_t count) {
    Until([&] { return arrived.size() >= count; });
  }
  // Sends and waits until the bytes are the caller's again.
  Status SendAndWait(int peer, std::span<const std::byte> bytes) {
    Request request;
    TW_TRY(transport_->Send(peer, bytes, &request));
    Until([&] { return !request.pending(); });
    if (request.state == Request::State::kDone) return {};
    return RemoteError("the request failed");
  }
  // Polls until the peer is reported; its status.
  Status UntilPeerFails(int peer) {
    Until([&] { return !transport_->PeerStatus(peer).ok(); });
    return transport_->PeerStatus(peer);
  }
  void Close() {
    if (std::exchange(closed_, true)) return;
    arrived.clear();
    transport_->Close(Patience());
  }

  std::vector<Message> arrived;

 private:
  const int rank_;
  const int ranks_;
  Transport* const transport_;
  bool closed_ = false;
};

struct Made {
  std::vector<std::unique_ptr<Transport>> transports;
  std::vector<std::string> addresses;
};

inline Made MakeRanks(const MakeForRanks& make, int ranks) {
  Made made;
  for (int r = 0; r < ranks; ++r) {
    Result<std::unique_ptr<Transport>> transport = make(ranks);
    EXPECT_TRUE(transport.ok()) << transport.status().message();
    if (!transport.ok()) return {};
    Result<std::string> address = transport.value()->Address();
    EXPECT_TRUE(address.ok()) << address.status().message();
    if (!address.ok()) return {};
    made.transports.push_back(std::move(transport).value());
    made.addresses.push_back(address.value());
  }
  return made;
}

// Runs `body` as each of `ranks` ranks, connected before it and closed after it.
inline void RunRanks(const MakeForRanks& make, int ranks, const std::function<void(Rank&)>& body) {
  Made made = MakeRanks(make, ranks);
  std::vector<std::thread> threads;
  for (int r = 0; r < static_cast<int>(made.transports.size()); ++r) {
    threads.emplace_back([&made, &body, r, ranks] {
      std::unique_ptr<Transport> transport = std::move(made.transports[static_cast<size_t>(r)]);
      const Status connected = transport->Connect(r, made.addresses, Patience());
      ASSERT_TRUE(connected.ok()) << connected.message();
      Rank rank(r, ranks, transport.get());
      body(rank);
      rank.Close();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_TRANSPORT_RANKS_H_
