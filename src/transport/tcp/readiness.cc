// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/readiness.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <ctime>

namespace thinwire {

Status Readiness::Open() {
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.open()) return SystemErrno("epoll_create1");
  wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.open()) return SystemErrno("eventfd");
  return {};
}

Status Readiness::Add(int fd, uint32_t events, Watched* watched) {
  epoll_event event = {.events = events, .data = {.ptr = watched}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return SystemErrno("epoll_ctl");
  return {};
}

void Readiness::Change(int fd, uint32_t events, Watched* watched) {
  epoll_event event = {.events = events, .data = {.ptr = watched}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

std::span<const epoll_event> Readiness::Ready() {
  const int count = epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()), 0);
  return std::span(ready_).first(static_cast<size_t>(std::max(count, 0)));
}

void Readiness::Wait(TimePoint deadline) {
  const TimePoint now = Now();
  const Duration left = std::clamp(deadline, now, now + std::chrono::hours(1)) - now;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  const timespec timeout = {.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
  pollfd events[] = {{epoll_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  ppoll(events, std::size(events), &timeout, nullptr);
  eventfd_t wakes = 0;
  if (events[1].revents != 0) eventfd_read(wake_.get(), &wakes);
}

void Readiness::Wake() { eventfd_write(wake_.get(), 1); }

}  // namespace thinwire
