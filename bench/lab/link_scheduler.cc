// SPDX-License-Identifier: Apache-2.0
// The emulated path, stage by stage, in arithmetic: no stage needs an event of its own, only the
// entry into a downlink does, because trains of several senders meet there.
#include "link_scheduler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"

namespace thinwire::lab {
namespace {

constexpr uint64_t kSmallestQueue = 256 * 1024;

// splitmix64: any seed will do, and its state is one word.
uint64_t NextRandom(uint64_t* state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15U);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

// Uniform in (0, 1].
double NextUnit(uint64_t* state) {
  return (static_cast<double>(NextRandom(state) >> 11) + 1) * 0x1p-53;
}

}  // namespace

TrainTimes TrainTimes::Part(int first, int count, int packets) const {
  if (packets < 2) return *this;
  const int64_t span = tail - head;
  const int last = first + count - 1;
  return {head + span * first / (packets - 1), head + span * last / (packets - 1)};
}

Serializer::Serializer(double bytes_per_second, uint64_t queue_bytes)
    : ns_per_byte_(1e9 / bytes_per_second), queue_bytes_(static_cast<double>(queue_bytes)) {}

// Rounded up, so that times of consecutive packets strictly increase.
int64_t Serializer::Nanoseconds(int64_t bytes) const {
  return static_cast<int64_t>(std::ceil(static_cast<double>(bytes) * ns_per_byte_));
}

int Serializer::Fitting(const TrainSize& size, const TrainTimes& in, int64_t start) const {
  const auto backlog_ns = static_cast<double>(start - in.head);
  // Packet `count` finds what was queued when the train began, plus its own train so far, less
  // what has been sent meanwhile.
  const auto fits = [&](int count) {
    const TrainTimes arrival = in.Part(count - 1, 1, size.packets);
    const auto passed_ns = static_cast<double>(arrival.head - in.head);
    const double queued_ns = backlog_ns - passed_ns;
    return queued_ns / ns_per_byte_ + static_cast<double>(size.Bytes(count)) <= queue_bytes_;
  };
  if (fits(size.packets)) return size.packets;
  int count = 0;
  while (count < size.packets && fits(count + 1)) ++count;
  // An idle transmitter takes a packet whatever the queue's limit.
  return count == 0 && backlog_ns <= 0 ? 1 : count;
}

int Serializer::Send(const TrainSize& size, const TrainTimes& in, TrainTimes* out) {
  const int64_t start = std::max(idle_at_, in.head);
  const int count = Fitting(size, in, start);
  if (count == 0) return 0;
  const TrainSize sent = size.Part(0, count);
  const TrainTimes times = in.Part(0, count, size.packets);
  const int first_bytes = count == 1 ? sent.last_bytes : sent.packet_bytes;
  out->head = start + Nanoseconds(first_bytes);
  // The last packet leaves when all have been sent, and not before it has come.
  out->tail =
      std::max(start + Nanoseconds(sent.Bytes()), times.tail + Nanoseconds(sent.last_bytes));
  idle_at_ = out->tail;
  return count;
}

LinkScheduler::LinkScheduler(const LinkModel& links, uint64_t queue_bytes, uint64_t seed)
    : min_delay_ns_(FromSeconds(links.min_delay()).count()) {
  const auto product = static_cast<uint64_t>(links.max_bandwidth_delay());
  const uint64_t queue = queue_bytes != 0 ? queue_bytes : std::max(kSmallestQueue, product);
  const int ranks = links.ranks();
  pairs_.resize(static_cast<size_t>(ranks) * static_cast<size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) {
    uplinks_.emplace_back(std::max(links.uplink(rank), 1.0), queue);
    downlinks_.emplace_back(std::max(links.downlink(rank), 1.0), queue);
  }
  for (int from = 0; from < ranks; ++from) {
    for (int to = 0; to < ranks; ++to) {
      if (from == to) continue;
      const Link& link = links.at(from, to);
      Pair& pair = PairOf(from, to);
      pair.serializer = Serializer(link.rate, queue);
      pair.narrower = link.rate < links.uplink(from);
      pair.delay_ns = FromSeconds(link.delay).count();
      pair.log_keep = std::log1p(-link.loss);
      pair.random_state = seed * 0x2545f4914f6cdd1dU + static_cast<uint64_t>(from * ranks + to);
      DrawNextLoss(&pair);
    }
  }
}

// Independent losses are a geometric number of packets apart: one draw for each loss, not packet.
void LinkScheduler::DrawNextLoss(Pair* pair) {
  if (pair->log_keep == 0) return;
  const double packets = std::log(NextUnit(&pair->random_state)) / pair->log_keep;
  pair->until_loss = packets < 1e18 ? static_cast<int64_t>(packets) : INT64_MAX;
}

void LinkScheduler::Offer(int64_t now, int from, int to, const TrainSize& size,
                          std::shared_ptr<void> cargo) {
  counters_.offered += static_cast<uint64_t>(size.packets);
  TrainTimes times;
  const int sent = uplinks_[static_cast<size_t>(from)].Send(size, {now, now}, &times);
  counters_.overflowed += static_cast<uint64_t>(size.packets - sent);
  Pair* pair = &PairOf(from, to);
  const TrainSize whole = size.Part(0, sent);
  // What is lost has used the uplink, and uses nothing after it.
  for (int first = 0; first < sent;) {
    const int run = static_cast<int>(std::min<int64_t>(sent - first, pair->until_loss));
    if (run > 0) {
      Travel(pair, whole.Part(first, run), times.Part(first, run, sent),
             Delivery{0, to, first, run, cargo});
    }
    if (pair->log_keep != 0) pair->until_loss -= run;
    first += run;
    if (first == sent) break;
    ++first;
    ++counters_.lost;
    DrawNextLoss(pair);
  }
}

void LinkScheduler::Travel(Pair* pair, const TrainSize& size, TrainTimes times, Delivery delivery) {
  TrainSize left = size;
  if (pair->narrower) {
    TrainTimes out;
    const int sent = pair->serializer.Send(size, times, &out);
    counters_.overflowed += static_cast<uint64_t>(size.packets - sent);
    if (sent == 0) return;
    left = size.Part(0, sent);
    times = out;
  }
  times.head += pair->delay_ns;
  times.tail += pair->delay_ns;
  delivery.count = left.packets;
  arrivals_.push_back(Arrival{times, order_++, left, std::move(delivery)});
  std::push_heap(arrivals_.begin(), arrivals_.end(), LaterArrival());
}

bool LinkScheduler::LaterArrival::operator()(const Arrival& a, const Arrival& b) const {
  return a.times.head != b.times.head ? a.times.head > b.times.head : a.order > b.order;
}

// Times out of one downlink strictly increase, so the heap keeps the order within a host.
void LinkScheduler::EnterDownlink(Arrival arrival) {
  Delivery& delivery = arrival.delivery;
  TrainTimes out;
  Serializer& downlink = downlinks_[static_cast<size_t>(delivery.to)];
  delivery.count = downlink.Send(arrival.size, arrival.times, &out);
  counters_.overflowed += static_cast<uint64_t>(arrival.size.packets - delivery.count);
  if (delivery.count == 0) return;
  delivery.when = out.tail;
  deliveries_.push_back(std::move(delivery));
  std::push_heap(deliveries_.begin(), deliveries_.end(), LaterDelivery());
}

void LinkScheduler::TakeDue(int64_t now, std::vector<Delivery>* due) {
  // Nothing offered from now on can reach a downlink before now + min_delay, so the order of
  // arrivals up to then is final: taking them early saves a wake-up for each.
  const int64_t horizon = now + min_delay_ns_;
  while (!arrivals_.empty() && arrivals_.front().times.head <= horizon) {
    std::pop_heap(arrivals_.begin(), arrivals_.end(), LaterArrival());
    Arrival arrival = std::move(arrivals_.back());
    arrivals_.pop_back();
    EnterDownlink(std::move(arrival));
  }
  while (!deliveries_.empty() && deliveries_.front().when <= now) {
    std::pop_heap(deliveries_.begin(), deliveries_.end(), LaterDelivery());
    counters_.delivered += static_cast<uint64_t>(deliveries_.back().count);
    due->push_back(std::move(deliveries_.back()));
    deliveries_.pop_back();
  }
}

std::optional<int64_t> LinkScheduler::NextDue() const {
  int64_t next = INT64_MAX;
  if (!arrivals_.empty()) next = arrivals_.front().times.head;
  if (!deliveries_.empty()) next = std::min(next, deliveries_.front().when);
  return next == INT64_MAX ? std::nullopt : std::optional<int64_t>(next);
}

}  // namespace thinwire::lab
