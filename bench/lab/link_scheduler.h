// SPDX-License-Identifier: Apache-2.0
// The emulated network as a pure object driven by time: packets are offered, and come out later.
//
//   host A -> uplink of A -> pair A,B (narrower stretch, loss) -> delay -> downlink of B -> host B
//
// Every stage but the delay serialises at its rate behind a drop-tail queue. What is offered is a
// train: one super-packet standing for `packets` MTU-size packets back to back. A stage starts to
// forward a train when its first packet is there (not its last), so a train takes the time its
// packets would, and losses take single packets out of it. Times are nanoseconds of any clock.
#ifndef THINWIRE_BENCH_LAB_LINK_SCHEDULER_H_
#define THINWIRE_BENCH_LAB_LINK_SCHEDULER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "collective/link_model.h"

namespace thinwire::lab {

// Wire size of a train: all packets are `packet_bytes` long but the last.
struct TrainSize {
  int packets = 1;
  int packet_bytes = 0;
  int last_bytes = 0;

  // Bytes of the first `count` packets.
  int64_t Bytes(int count) const {
    return count < packets ? int64_t{count} * packet_bytes
                           : int64_t{packets - 1} * packet_bytes + last_bytes;
  }
  int64_t Bytes() const { return Bytes(packets); }
  // The `count` packets from `first` on.
  TrainSize Part(int first, int count) const {
    return {count, packet_bytes, first + count == packets ? last_bytes : packet_bytes};
  }
};

// When the first and the last packet of a train are complete at some point of the path.
struct TrainTimes {
  int64_t head = 0;
  int64_t tail = 0;

  // The same for `count` of its `packets` packets from `first` on: they are evenly spaced.
  TrainTimes Part(int first, int count, int packets) const;
};

// One transmitter with a drop-tail queue, stepped analytically: its state is when it falls idle.
class Serializer {
 public:
  Serializer() = default;
  Serializer(double bytes_per_second, uint64_t queue_bytes);

  // Sends a train that arrives as `in`. Returns how many of its packets found room (the first
  // ones) and sets `out` to when those have been sent.
  int Send(const TrainSize& size, const TrainTimes& in, TrainTimes* out);

 private:
  int64_t Nanoseconds(int64_t bytes) const;
  int Fitting(const TrainSize& size, const TrainTimes& in, int64_t start) const;

  double ns_per_byte_ = 0;
  double queue_bytes_ = 0;
  int64_t idle_at_ = INT64_MIN;
};

// `count` packets from packet `first` of what was offered as `cargo`, for host `to` at `when`.
struct Delivery {
  int64_t when = 0;
  int to = 0;
  int first = 0;
  int count = 0;
  std::shared_ptr<void> cargo;
};

struct LinkCounters {
  uint64_t offered = 0;     // packets
  uint64_t delivered = 0;   // packets handed out
  uint64_t lost = 0;        // packets taken by random loss
  uint64_t overflowed = 0;  // packets that found a queue full
};

class LinkScheduler {
 public:
  // queue_bytes 0 means the default, max(rate x round trip, 256 KB), for each queue. The seed fixes
  // which packets of a pair are lost, whatever other pairs do.
  LinkScheduler(const LinkModel& links, uint64_t queue_bytes, uint64_t seed);

  // `from` sends a train to `to`, at a time not before that of any earlier call.
  void Offer(int64_t now, int from, int to, const TrainSize& size, std::shared_ptr<void> cargo);

  // Appends what has arrived by `now`, in order of arrival.
  void TakeDue(int64_t now, std::vector<Delivery>* due);

  // When TakeDue must next be called to hand out nothing late; nothing while the network is empty.
  std::optional<int64_t> NextDue() const;

  const LinkCounters& counters() const { return counters_; }

 private:
  struct Pair {
    Serializer serializer;
    bool narrower = false;  // than the uplink; otherwise it can't queue and is skipped
    int64_t delay_ns = 0;
    double log_keep = 0;  // log(1 - loss); 0 without loss
    uint64_t random_state = 0;
    int64_t until_loss = INT64_MAX;  // packets that pass before the next one lost
  };
  // A train on its way to the downlink queue, ordered by the arrival of its first packet.
  struct Arrival {
    TrainTimes times;
    uint64_t order = 0;
    TrainSize size;
    Delivery delivery;
  };
  struct LaterArrival {
    bool operator()(const Arrival& a, const Arrival& b) const;
  };
  struct LaterDelivery {
    bool operator()(const Delivery& a, const Delivery& b) const { return a.when > b.when; }
  };

  Pair& PairOf(int from, int to) {
    return pairs_[static_cast<size_t>(from) * uplinks_.size() + static_cast<size_t>(to)];
  }
  static void DrawNextLoss(Pair* pair);
  void Travel(Pair* pair, const TrainSize& size, TrainTimes times, Delivery delivery);
  void EnterDownlink(Arrival arrival);

  std::vector<Serializer> uplinks_;
  std::vector<Serializer> downlinks_;
  std::vector<Pair> pairs_;
  int64_t min_delay_ns_ = 0;
  uint64_t order_ = 0;
  std::vector<Arrival> arrivals_;     // heap, earliest first
  std::vector<Delivery> deliveries_;  // heap, earliest first; see EnterDownlink on equal times
  LinkCounters counters_;
};

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_LINK_SCHEDULER_H_
