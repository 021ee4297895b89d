// SPDX-License-Identifier: Apache-2.0
// The one thread that moves packets between the TUN interfaces of all hosts, through a
// LinkScheduler. It sleeps in ppoll until a packet comes or one falls due, and never spins.
#ifndef THINWIRE_BENCH_LAB_FORWARDER_H_
#define THINWIRE_BENCH_LAB_FORWARDER_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "emulated_host.h"
#include "frame_pool.h"
#include "link_scheduler.h"

namespace thinwire::lab {

struct ForwarderStats {
  LinkCounters packets;
  uint64_t deliveries = 0;  // frames handed to hosts; one may stand for many packets
  uint64_t late = 0;        // of these, handed over more than kLateNs after they were due
  int64_t latest_ns = 0;    // the worst
  uint64_t unroutable = 0;  // frames for nobody here
  uint64_t refused = 0;     // frames the receiving interface didn't take
  uint64_t wakeups = 0;
  int64_t cpu_ns = 0;
};

// Prints the counters to stderr if `all`, and in any case a warning if the machine was so busy that
// the emulation wasn't what was set.
void Report(const ForwarderStats& stats, bool all);

class Forwarder {
 public:
  static constexpr int64_t kLateNs = 2'000'000;

  // Uses the hosts' TUN descriptors, which must outlive it. Starts at once.
  Forwarder(const std::vector<Host>& hosts, LinkScheduler scheduler);
  ~Forwarder() { Stop(); }
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  // Ends the thread; packets under way are gone. Idempotent.
  void Stop();
  // Valid after Stop.
  const ForwarderStats& stats() const { return stats_; }

 private:
  void Loop();
  void Deliver(int64_t now);
  void WriteFrame(const Delivery& delivery);
  // Reads what `rank` has to send, a bounded number of frames.
  void Drain(int rank);
  void Accept(int rank, size_t bytes);

  std::vector<int> tuns_;
  FramePool pool_;  // before all that hold frames
  LinkScheduler scheduler_;
  ForwarderStats stats_;
  std::shared_ptr<Frame> incoming_;  // where the next read goes
  std::vector<uint8_t> slice_;       // room for part of a super-packet
  std::vector<Delivery> due_;
  UniqueFd wake_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_FORWARDER_H_
