// SPDX-License-Identifier: Apache-2.0
#include "measurement.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "error_tolerance.h"

namespace thinwire::perf {
namespace {

constexpr std::byte kUntouched{0xa5};

class Tensor {
 public:
  Tensor(TensorMemory* memory, size_t bytes)
      : memory_(memory), data_(memory->Allocate(bytes)), bytes_(bytes) {}
  ~Tensor() { memory_->Free(data_); }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  TensorMemory* const memory_;
  std::byte* const data_;
  const size_t bytes_;
};

// The memory of one row: two tensors, or one that holds both input and output.
class Buffers {
 public:
  Buffers(TensorMemory* memory, const Workload& work, bool in_place)
      : work_(work),
        memory_(memory),
        in_place_(in_place),
        host_(std::max(send_bytes(), recv_bytes())),
        first_(memory, in_place ? host_.size() : send_bytes()),
        second_(memory, in_place ? 0 : recv_bytes()) {}

  std::byte* send() const { return first_.data() + send_offset(); }
  std::byte* recv() const {
    return in_place_ ? first_.data() + work_.recv_offset() * work_.type->bytes : second_.data();
  }
  // Input of `values`; nothing of an earlier output is left.
  void Fill(const Pattern& input) {
    std::fill(host_.begin(), host_.end(), kUntouched);
    memory_->Copy(host_.data(), second_.data(), second_.bytes());
    input.Write(*work_.type, 0, work_.send_elements(), host_.data() + send_offset());
    memory_->Copy(host_.data(), first_.data(), first_.bytes());
  }
  // The output, in host memory.
  const std::byte* Result() {
    memory_->Copy(recv(), host_.data(), recv_bytes());
    return host_.data();
  }

 private:
  size_t send_bytes() const { return work_.send_elements() * work_.type->bytes; }
  size_t recv_bytes() const { return work_.recv_elements() * work_.type->bytes; }
  size_t send_offset() const { return in_place_ ? work_.send_offset() * work_.type->bytes : 0; }

  const Workload& work_;
  TensorMemory* const memory_;
  const bool in_place_;
  std::vector<std::byte> host_;  // what is carried to the tensors, and back
  const Tensor first_;
  const Tensor second_;
};

// FNV-1a, eight bytes at a time.
uint64_t Hash(const std::byte* data, size_t bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t at = 0; at < bytes; at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data + at, std::min<size_t>(8, bytes - at));
    hash = (hash ^ word) * 0x100000001b3u;
    hash ^= hash >> 29;
  }
  return hash;
}

// What one rank found in its output.
struct Finding {
  uint64_t wrong = 0;
  uint64_t hash = 0;
  double error = 0;   // sum of squares
  double energy = 0;  // of the exact result
};

Finding CompareExactly(const Workload& work, const std::byte* recv) {
  Finding finding;
  for (const Workload::Part& part : work.Expected(Values::kExact)) {
    finding.wrong += part.pattern.CountDifferent(*work.type, part.first, part.count,
                                                 recv + part.offset * work.type->bytes);
  }
  return finding;
}

Finding CompareWithin(const Workload& work, double tolerance, const std::byte* recv) {
  Finding finding;
  const ElementReader read(*work.type);
  for (const Workload::Part& part : work.Expected(Values::kReal)) {
    const std::byte* element = recv + part.offset * work.type->bytes;
    for (size_t i = 0; i < part.count; ++i, element += work.type->bytes) {
      const double expected = part.pattern.value(part.first + i);
      const double error = read(element) - expected;
      if (!(std::abs(error) <= tolerance)) ++finding.wrong;  // NaN too
      finding.error += error * error;
      finding.energy += expected * expected;
    }
  }
  return finding;
}

// One more call, on input chosen for its codec. Ranks that should agree and don't count as wrong in
// all elements.
void CheckResult(const Rank& rank, const Workload& work, Buffers* buffers, Figures* figures) {
  const CodecBound bound = CodecBound::Of(figures->codec);
  const Values values = bound.exact() ? Values::kExact : Values::kReal;
  buffers->Fill(work.Input(values));
  Check(work.Call(buffers->send(), buffers->recv(), rank), rank.comm());
  rank.Finish();
  const std::byte* const recv = buffers->Result();
  const double tolerance = ErrorTolerance(bound, *work.operation, figures->algorithm, *work.type,
                                          work.op, work.ranks, kLargestReal);
  Finding mine = bound.exact() ? CompareExactly(work, recv) : CompareWithin(work, tolerance, recv);
  if (work.operation->same_bits) {
    mine.hash = Hash(recv, work.recv_elements() * work.type->bytes);
  }
  Finding sum;
  const std::vector<Finding> findings = rank.Gather(mine);
  for (const Finding& finding : findings) {
    const bool differs = finding.hash != findings.front().hash;
    sum.wrong += differs ? work.recv_elements() : finding.wrong;
    sum.error += finding.error;
    sum.energy += finding.energy;
  }
  figures->wrong = sum.wrong;
  figures->relative_error = sum.energy > 0 ? std::sqrt(sum.error / sum.energy) : 0;
}

void AddStatistics(const Rank& rank, const Workload& work, Figures* figures) {
  thinwireStatistics_t statistics = {};
  statistics.size = sizeof(statistics);
  Check(thinwireCommGetStatistics(rank.comm(), work.operation->statistics, &statistics),
        rank.comm());
  struct Sent {
    uint64_t raw;
    uint64_t wire;
  };
  uint64_t raw = 0;
  uint64_t wire = 0;
  for (const Sent& sent : rank.Gather(Sent{statistics.rawBytes, statistics.wireBytes})) {
    raw += sent.raw;
    wire += sent.wire;
    figures->wire_bytes = std::max(
        figures->wire_bytes, work.calls * sent.wire / std::max<uint64_t>(statistics.calls, 1));
  }
  figures->ratio = raw > 0 ? static_cast<double>(raw) / static_cast<double>(wire) : 1;
  figures->codec = statistics.codec;
  figures->algorithm = statistics.algorithm;
}

// Of nanoseconds that are sorted.
double MedianMicroseconds(const std::vector<int64_t>& sorted) {
  return static_cast<double>(sorted[sorted.size() / 2] + sorted[(sorted.size() - 1) / 2]) / 2e3;
}

void AddTimes(std::vector<int64_t> durations, const Workload& work, Figures* figures) {
  for (const int64_t nanoseconds : durations) {
    figures->each_microseconds.push_back(static_cast<double>(nanoseconds) / 1e3);
  }
  std::sort(durations.begin(), durations.end());
  figures->microseconds = MedianMicroseconds(durations);
  figures->microseconds_min = static_cast<double>(durations.front()) / 1e3;
  figures->microseconds_max = static_cast<double>(durations.back()) / 1e3;
  if (figures->microseconds <= 0) return;
  figures->algorithm_bandwidth = static_cast<double>(work.bytes()) / figures->microseconds / 1e3;
  figures->bus_bandwidth = figures->algorithm_bandwidth * work.bus_factor();
}

void AddIssueTimes(const Rank& rank, const std::vector<int64_t>& mine, Figures* figures) {
  std::vector<int64_t> all = rank.GatherAll(mine);
  std::sort(all.begin(), all.end());
  figures->issue_microseconds = MedianMicroseconds(all);
}

}  // namespace

Figures Measure(const Rank& rank, StartLine* start, const Workload& work, bool in_place,
                const MeasurementOptions& options, const ProgressCallback& progress) {
  Buffers buffers(rank.memory(), work, in_place);
  const Pattern input = work.Input(Values::kReal);
  buffers.Fill(input);
  const int total = options.warmups + options.iterations;
  std::vector<StartLine::Interval> intervals;
  std::vector<int64_t> issue_times;
  for (int i = 0; i < total; ++i) {
    // What a reduction left in place would grow from call to call.
    if (in_place && i > 0) buffers.Fill(input);
    if (i == options.warmups) Check(thinwireCommResetStatistics(rank.comm()), rank.comm());
    start->Wait();
    const int64_t begin = StartLine::Now();
    Check(work.Call(buffers.send(), buffers.recv(), rank), rank.comm());
    const int64_t issued = StartLine::Now();
    rank.Finish();
    if (i >= options.warmups) {
      intervals.push_back({begin, StartLine::Now()});
      issue_times.push_back(issued - begin);
    }
    progress(i + 1, total);
  }
  Figures figures;
  AddStatistics(rank, work, &figures);
  AddTimes(start->Durations(intervals), work, &figures);
  if (rank.memory()->stream() != nullptr) AddIssueTimes(rank, issue_times, &figures);
  if (options.check) CheckResult(rank, work, &buffers, &figures);
  return figures;
}

}  // namespace thinwire::perf
