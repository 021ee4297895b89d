// SPDX-License-Identifier: Apache-2.0
#include "comm/chrome_trace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>

#include "base/log.h"
#include "base/socket.h"
#include "collective/operation_run.h"

namespace thinwire {
namespace {

constexpr size_t kLanes = 100;

int64_t Nanoseconds(auto time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

// Microseconds, to the nanosecond; a double could not hold the time of day so.
std::string Microseconds(int64_t nanoseconds) {
  return fmt::format("{}.{:03}", nanoseconds / 1000, nanoseconds % 1000);
}

// Whether this is the first that the process writes to `path`.
bool BeginsFile(const std::string& path) {
  static auto* mutex = new std::mutex;  // never freed: written while the process ends
  static auto* begun = new std::set<std::string>;
  const std::lock_guard lock(*mutex);
  return begun->insert(path).second;
}

std::string Arguments(const EndedCall& call) {
  const PlanRequest& request = call.plan->request;
  const RunFigures& figures = call.figures;
  const double wire = static_cast<double>(figures.wire_bytes);
  std::string text = fmt::format(
      R"("sequence":{},"count":{},"type":"{}","codec":{},"algorithm":"{}","raw_bytes":{},)"
      R"("wire_bytes":{},"ratio":{:.4g},"encode_ms":{:.6g},"decode_ms":{:.6g},"wire_ms":{:.6g},)"
      R"("wait_ms":{:.6g})",
      call.sequence & ~kCapturedSequence, request.count, NameOf(request.dtype),
      Quoted(request.codec->spec()), NameOf(call.plan->algorithm), figures.raw_bytes,
      figures.wire_bytes, wire > 0 ? static_cast<double>(figures.raw_bytes) / wire : 1,
      figures.encode_seconds * 1e3, figures.decode_seconds * 1e3, figures.wire_seconds * 1e3,
      figures.wait_seconds * 1e3);
  if (IsPointToPoint(request.operation) || HasRoot(request.operation)) {
    text += fmt::format(R"(,"{}":{})", HasRoot(request.operation) ? "root" : "peer", request.root);
  }
  if (call.on_device) text += fmt::format(R"(,"device_ms":{:.6g})", figures.device_seconds * 1e3);
  if (call.last_peer >= 0) {
    text += fmt::format(R"(,"last_peer":{},"last_peer_ms":{:.6g})", call.last_peer,
                        call.last_peer_seconds * 1e3);
  }
  if (call.note != nullptr && call.note->predicted_seconds > 0) {
    text += fmt::format(R"(,"predicted_ms":{:.6g})", call.note->predicted_seconds * 1e3);
  }
  if (call.note != nullptr && !call.note->exact_because.empty()) {
    text += fmt::format(R"(,"exact_because":{})", Quoted(call.note->exact_because));
  }
  if (!call.status.ok()) text += fmt::format(R"(,"error":{})", Quoted(call.status.message()));
  return text;
}

}  // namespace

ChromeTrace::ChromeTrace(std::string path, const Writer& writer)
    : path_(std::move(path)),
      writer_(writer),
      epoch_ns_(Nanoseconds(std::chrono::system_clock::now()) - Nanoseconds(Now())) {
  pending_ = BeginsFile(path_) ? "[\n" : "";
  pending_ += fmt::format(
      R"({{"name":"process_name","ph":"M","pid":{0},"args":{{"name":{1}}}}},)"
      "\n"
      R"({{"name":"process_sort_index","ph":"M","pid":{0},"args":{{"sort_index":{0}}}}},)"
      "\n",
      writer_.rank, Quoted(LogPath(fmt::format("rank {} (%h, process %p)", writer_.rank))));
}

int ChromeTrace::LaneOf(const EndedCall& call) {
  size_t lane = 0;
  while (lane < lane_ends_.size() && lane_ends_[lane] > call.began) ++lane;
  if (lane == lane_ends_.size() && lane < kLanes) {
    lane_ends_.emplace_back();
    NameLane(static_cast<int>(lane));
  }
  lane = std::min(lane, kLanes - 1);
  lane_ends_[lane] = call.ended;
  return static_cast<int>(lane);
}

void ChromeTrace::NameLane(int lane) {
  const std::string name = fmt::format("communicator {}{}", writer_.name(),
                                       lane == 0 ? "" : fmt::format(", at once ({})", lane + 1));
  pending_ += fmt::format(
      R"({{"name":"thread_name","ph":"M","pid":{},"tid":{},"args":{{"name":"{}"}}}},)"
      "\n",
      writer_.rank, writer_.communicator % 10'000'000 * kLanes + static_cast<size_t>(lane), name);
}

std::string ChromeTrace::Slice(std::string_view name, int lane, TimePoint begin, double seconds,
                               std::string_view arguments) const {
  return fmt::format(
      R"({{"name":"{}","cat":"thinwire","ph":"X","pid":{},"tid":{},"ts":{},"dur":{:.3f},)"
      R"("args":{{{}}}}},)"
      "\n",
      name, writer_.rank, writer_.communicator % 10'000'000 * kLanes + static_cast<size_t>(lane),
      Microseconds(Nanoseconds(begin) + epoch_ns_), seconds * 1e6, arguments);
}

void ChromeTrace::Add(const EndedCall& call) {
  const int lane = LaneOf(call);
  pending_ += Slice(NameOf(call.plan->request.operation), lane, call.began,
                    ToSeconds(call.ended - call.began), Arguments(call));
  if (call.figures.wire_seconds == 0) return;
  const double left = ToSeconds(call.ended - call.began) - call.first_send_seconds;
  pending_ += Slice("wire", lane, call.began + FromSeconds(call.first_send_seconds),
                    std::min(call.figures.wire_seconds, left), "");
}

Status ChromeTrace::Flush() {
  if (pending_.empty()) return {};
  const bool begins = pending_.starts_with('[');
  const Fd file(open(path_.c_str(),
                     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (begins ? O_TRUNC : 0), 0666));
  // One call, so that lines of several communicators never interleave.
  const bool written = file.open() && write(file.get(), pending_.data(), pending_.size()) ==
                                          static_cast<ssize_t>(pending_.size());
  pending_.clear();
  return written ? Status() : SystemErrno("writing the trace to " + path_);
}

}  // namespace thinwire
