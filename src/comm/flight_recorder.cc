// SPDX-License-Identifier: Apache-2.0
#include "comm/flight_recorder.h"

#include <fmt/ranges.h>

#include <array>
#include <chrono>
#include <numeric>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "comm/output_file.h"

namespace thinwire {
namespace {

// PyTorch's names of what NCCL can do.
constexpr std::array<std::string_view, kOperations> kNames = {"barrier",
                                                              "all_reduce",
                                                              "_reduce_scatter_base",
                                                              "_all_gather_base",
                                                              "broadcast",
                                                              "reduce",
                                                              "send",
                                                              "recv",
                                                              "all_to_all"};
constexpr std::array<std::string_view, kDataTypes> kTypes = {
    "Char", "Byte",  "Int",    "UInt32",   "Long",          "UInt64",
    "Half", "Float", "Double", "BFloat16", "Float8_e4m3fn", "Float8_e5m2"};

int64_t NanosecondsNow() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void FlightRecorder::Add(const Collective& collective, std::shared_ptr<Completion> completion) {
  if (options_.calls == 0) return;
  const std::lock_guard lock(mutex_);
  if (records_.size() == options_.calls) records_.pop_front();
  const bool repeats = collective.gate != nullptr && collective.gate->repeats();
  records_.push_back({.id = added_++,
                      .request = collective.plan->request,
                      .algorithm = collective.plan->algorithm,
                      .sequence = collective.sequence,
                      .repeats = repeats,
                      .created_ns = NanosecondsNow(),
                      .completion = std::move(completion)});
}

std::string FlightRecorder::JsonOf(const Record& record) const {
  const PlanRequest& request = record.request;
  const bool pair = IsPointToPoint(request.operation);
  std::string name = fmt::format("nccl:{}", kNames[static_cast<size_t>(request.operation)]);
  if (request.operation == Operation::kSend) {
    name += fmt::format(" {}->{}", options_.rank, request.root);
  } else if (request.operation == Operation::kRecv) {
    name += fmt::format(" {}<-{}", options_.rank, request.root);
  }
  const bool ended = !record.repeats && record.completion->done();
  const Status status = ended ? record.completion->Wait() : Status();
  const bool completed = ended && status.ok();
  const double seconds = ended ? record.completion->figures().total_seconds : 0;
  const auto ended_ns = record.created_ns + static_cast<int64_t>(seconds * 1e9);
  const BufferElements sizes = ElementsOf(request.operation, request.count, request.ranks);
  const std::string_view type = kTypes[static_cast<size_t>(request.dtype)];
  const std::string group = fmt::format("{:016x}", options_.communicator);
  std::string json = fmt::format(
      R"({{"record_id":{},"pg_id":0,"process_group":["{}","thinwire"],"collective_seq_id":{},)"
      R"("p2p_seq_id":{},"op_id":{},"profiling_name":{},"time_created_ns":{},)"
      R"("input_sizes":[[{}]],"input_dtypes":["{}"],"output_sizes":[[{}]],"output_dtypes":["{}"],)",
      record.id, group, pair ? 0 : record.sequence + 1, pair ? record.sequence + 1 : 0, record.id,
      Quoted(name), record.created_ns, sizes.input, type, sizes.output, type);
  if (completed) json += fmt::format(R"("duration_ms":{:.6f},)", seconds * 1e3);
  json += fmt::format(
      R"("state":"{}","time_discovered_started_ns":{},"time_discovered_completed_ns":{},)"
      R"("retired":{},"timeout_ms":{:.0f},"is_p2p":{},"frames":[],)",
      completed        ? "completed"
      : record.repeats ? "scheduled"
                       : "started",
      record.repeats ? "null" : fmt::format("{}", record.created_ns),
      completed ? fmt::format("{}", ended_ns) : "null", ended, options_.timeout_seconds * 1e3,
      pair);
  json += fmt::format(R"("codec":{},"algorithm":"{}","wire_bytes":{},"error":{}}})",
                      Quoted(request.codec->spec()), NameOf(record.algorithm),
                      ended ? record.completion->figures().wire_bytes : 0,
                      status.ok() ? "null" : Quoted(status.message()));
  return json;
}

std::string FlightRecorder::Json() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> entries;
  uint64_t called = 0;
  uint64_t completed = 0;
  for (const Record& record : records_) {
    entries.push_back(JsonOf(record));
    if (IsPointToPoint(record.request.operation) || record.repeats) continue;
    called = record.sequence + 1;
    if (record.completion->done() && record.completion->Wait().ok()) completed = called;
  }
  std::vector<int> ranks(static_cast<size_t>(options_.ranks));
  std::iota(ranks.begin(), ranks.end(), 0);
  return fmt::format(
      R"({{"version":"2.10","rank":{},"pg_config":{{"0":{{"name":"{:016x}","desc":"thinwire",)"
      R"("ranks":"[{}]"}}}},"pg_status":{{"0":{{"last_enqueued_collective":"{}",)"
      R"("last_started_collective":"{}","last_completed_collective":"{}"}}}},"entries":[{}]}})"
      "\n",
      options_.rank, options_.communicator, fmt::join(ranks, ", "), called, called, completed,
      fmt::join(entries, ",\n"));
}

Status FlightRecorder::Write(const std::string& path) const {
  return ReplaceFile(path, Json()).WithContext("the flight record");
}

void FlightRecorder::OnFailure() {
  if (options_.file.empty() || written_.exchange(true)) return;
  const std::string path = OutputPath(
      options_.file,
      {.rank = options_.rank, .ranks = options_.ranks, .communicator = options_.communicator});
  const Status written = Write(path);
  if (written.ok()) {
    TW_LOG(kWarn, "rank {}: what the last calls were is in {}", options_.rank, path);
  } else {
    TW_LOG(kWarn, "rank {}: {}", options_.rank, written.message());
  }
}

}  // namespace thinwire
