// SPDX-License-Identifier: Apache-2.0
// The forwarding loop. The machine's cores are shared with the programs under test, so each
// wake-up moves all that is ready, and the thread asks for a priority that lets it wake promptly.
#include "forwarder.h"

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace thinwire::lab {
namespace {

constexpr int kReadsPerTurn = 64;  // of one host, before the others and the deliveries get a turn
// A frame smaller than this is copied to a small buffer, so that it doesn't hold a large one.
constexpr size_t kCopyBelow = 16384;
constexpr int kWantedNice = -20;
constexpr double kWorthAWarning = 0.05;  // share of deliveries that were late

int64_t ThreadCpuNs() {
  timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

// Best effort. With two cores full of ordinary work, one delivery in ten was more than 2 ms late at
// nice -20, and fewer than one in a hundred at the lowest real-time priority. The thread sleeps
// whenever it has nothing to do, so it starves nobody.
void PreferThisThread() {
  sched_param priority{};
  priority.sched_priority = 1;
  if (sched_setscheduler(0, SCHED_RR, &priority) != 0) {
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kWantedNice);
  }
  prctl(PR_SET_TIMERSLACK, 1UL);  // for when it isn't real-time
}

}  // namespace

void Report(const ForwarderStats& stats, bool all) {
  const double late = stats.deliveries == 0
                          ? 0
                          : static_cast<double>(stats.late) / static_cast<double>(stats.deliveries);
  if (late > kWorthAWarning) {
    fmt::print(
        stderr,
        "thinwire-lab: the machine was too busy: {:.0f} % of deliveries were over 2 ms late\n",
        100 * late);
  }
  if (!all) return;
  fmt::print(
      stderr,
      "thinwire-lab: packets {} delivered {} lost {} overflowed {}; frames {} late {} latest "
      "{:.2f} ms unroutable {} refused {}; wake-ups {} cpu {:.2f} s\n",
      stats.packets.offered, stats.packets.delivered, stats.packets.lost, stats.packets.overflowed,
      stats.deliveries, stats.late, static_cast<double>(stats.latest_ns) / 1e6, stats.unroutable,
      stats.refused, stats.wakeups, static_cast<double>(stats.cpu_ns) / 1e9);
}

Forwarder::Forwarder(const std::vector<Host>& hosts, LinkScheduler scheduler)
    : scheduler_(std::move(scheduler)),
      slice_(kMaxFrameBytes),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_.valid()) ThrowErrno("eventfd");
  for (const Host& host : hosts) tuns_.push_back(host.tun.get());
  incoming_ = pool_.Get(kMaxFrameBytes);
  thread_ = std::thread([this] { Loop(); });
}

void Forwarder::Stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  const uint64_t one = 1;
  if (write(wake_.get(), &one, sizeof(one)) < 0) ThrowErrno("eventfd");
  thread_.join();
}

void Forwarder::Loop() {
  PreferThisThread();
  std::vector<pollfd> polled;
  for (const int tun : tuns_) polled.push_back({tun, POLLIN, 0});
  polled.push_back({wake_.get(), POLLIN, 0});
  while (!stopping_) {
    Deliver(MonotonicNs());
    const std::optional<int64_t> next = scheduler_.NextDue();
    const timespec timeout = ToTimespec(std::max<int64_t>(0, next.value_or(0) - MonotonicNs()));
    const int ready = ppoll(polled.data(), polled.size(), next ? &timeout : nullptr, nullptr);
    ++stats_.wakeups;
    if (ready <= 0) continue;
    for (size_t rank = 0; rank < tuns_.size(); ++rank) {
      if ((polled[rank].revents & POLLIN) != 0) Drain(static_cast<int>(rank));
    }
  }
  stats_.packets = scheduler_.counters();
  stats_.cpu_ns = ThreadCpuNs();
}

void Forwarder::Deliver(int64_t now) {
  due_.clear();
  scheduler_.TakeDue(now, &due_);
  for (const Delivery& delivery : due_) {
    const int64_t late = now - delivery.when;
    ++stats_.deliveries;
    if (late > kLateNs) ++stats_.late;
    stats_.latest_ns = std::max(stats_.latest_ns, late);
    WriteFrame(delivery);
  }
  due_.clear();
}

void Forwarder::WriteFrame(const Delivery& delivery) {
  const auto* frame = static_cast<const Frame*>(delivery.cargo.get());
  std::span<const uint8_t> bytes = frame->view();
  if (delivery.count < frame->shape.segments) {
    const size_t size = CopySegments(bytes, frame->shape, delivery.first, delivery.count, slice_);
    bytes = {slice_.data(), size};
  }
  const int tun = tuns_[static_cast<size_t>(delivery.to)];
  if (write(tun, bytes.data(), bytes.size()) < 0) ++stats_.refused;
}

void Forwarder::Drain(int rank) {
  const int tun = tuns_[static_cast<size_t>(rank)];
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t size = read(tun, incoming_->bytes.get(), incoming_->capacity);
    if (size <= 0) return;
    Accept(rank, static_cast<size_t>(size));
  }
}

void Forwarder::Accept(int rank, size_t bytes) {
  incoming_->size = bytes;
  const std::optional<PacketShape> shape = ParseFrame(incoming_->view());
  const std::optional<int> to =
      shape ? RankOf(shape->destination, static_cast<int>(tuns_.size())) : std::nullopt;
  if (!to || *to == rank) {
    ++stats_.unroutable;
    return;
  }
  std::shared_ptr<Frame> frame;
  if (bytes < kCopyBelow) {
    frame = pool_.Get(bytes);
    frame->size = bytes;
    std::memcpy(frame->bytes.get(), incoming_->bytes.get(), bytes);
  } else {
    frame = std::exchange(incoming_, pool_.Get(kMaxFrameBytes));
  }
  frame->shape = *shape;
  scheduler_.Offer(MonotonicNs(), rank, *to, shape->Train(), std::move(frame));
}

}  // namespace thinwire::lab
