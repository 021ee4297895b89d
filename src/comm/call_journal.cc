// SPDX-License-Identifier: Apache-2.0
#include "comm/call_journal.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "comm/metrics.h"

namespace thinwire {
namespace {

constexpr double kFlushSeconds = 1;     // what a trace lacks at most when its process is killed
constexpr double kLeastSeconds = 0.01;  // between two writes of the metrics
constexpr size_t kQueued = 8192;        // calls; more in half of that are missed
constexpr size_t kNotes = 512;

CallNote PredictionOf(const Plan& plan, const Planner& planner) {
  const PlanRequest& request = plan.request;
  const LinkModel& links = planner.links();
  const bool pair = IsPointToPoint(request.operation);
  if (!links.known() || request.ranks == 1 || plan.steps.empty()) return {};
  CallNote note;
  if (!pair) {
    const Prediction prediction = planner.PredictionOf(request, plan.algorithm);
    note.predicted_seconds = prediction.seconds;
    note.latency_seconds = prediction.path.latency_seconds;
    note.transfer_seconds = prediction.path.transfer_seconds;
  } else if (request.root != plan.rank) {
    const bool sends = request.operation == Operation::kSend;
    const Link& link =
        sends ? links.at(plan.rank, request.root) : links.at(request.root, plan.rank);
    const auto bytes =
        static_cast<double>(plan.PayloadBytes(sends ? Verb::kSend : Verb::kReceive, request.root));
    note.latency_seconds = link.delay;
    note.transfer_seconds = link.rate > 0 ? bytes / (link.rate * kWireEfficiency) : 0;
    note.predicted_seconds = note.latency_seconds + note.transfer_seconds;
  }
  return note;
}

}  // namespace

std::shared_ptr<CallJournal> CallJournal::Open(const Env& env, ReportFacts facts) {
  if (env.trace_file.empty() && env.metrics_file.empty() && env.report_file.empty()) return nullptr;
  return std::shared_ptr<CallJournal>(new CallJournal(env, std::move(facts)));
}

CallJournal::CallJournal(const Env& env, ReportFacts facts)
    : facts_(std::move(facts)),
      metrics_file_(OutputPath(env.metrics_file, facts_.writer)),
      metrics_seconds_(std::max(env.metrics_seconds, kLeastSeconds)),
      report_file_(OutputPath(env.report_file, facts_.writer)),
      queue_(std::make_shared<CallQueue>(kQueued)) {
  if (!env.trace_file.empty()) {
    trace_.emplace(OutputPath(env.trace_file, facts_.writer), facts_.writer);
  }
}

CallJournal::~CallJournal() { Close(); }

std::shared_ptr<const CallNote> CallJournal::NoteOf(const std::shared_ptr<const Plan>& plan,
                                                    const std::string& exact_because,
                                                    const Planner& planner) {
  if (notes_.size() >= kNotes) notes_.clear();
  auto& note = notes_[{plan, exact_because}];
  if (note == nullptr) {
    CallNote fresh = PredictionOf(*plan, planner);
    fresh.exact_because = exact_because;
    note = std::make_shared<const CallNote>(std::move(fresh));
  }
  return note;
}

void CallJournal::Start(double nic, std::function<std::vector<Link>()> links) {
  facts_.nic = nic;
  links_ = std::move(links);
  thread_ = std::thread([this] {
    try {
      Run();
    } catch (const std::exception& failure) {  // out of memory
      TW_LOG(kWarn, "rank {}: nothing more is written about calls: {}", facts_.writer.rank,
             failure.what());
    }
  });
}

void CallJournal::Run() {
  TimePoint metrics_due = Now() + FromSeconds(metrics_seconds_);
  for (;;) {
    const bool traces = trace_.has_value();
    queue_->Wait(traces ? std::min(metrics_due, Now() + FromSeconds(kFlushSeconds)) : metrics_due);
    const std::lock_guard lock(mutex_);
    if (closing_) return;
    if (ReadCalls()) WriteAll();
    FlushTrace();
    if (Now() < metrics_due) continue;
    metrics_due = Now() + FromSeconds(metrics_seconds_);
    WriteMetrics();
  }
}

bool CallJournal::ReadCalls() {
  const std::vector<EndedCall> calls = queue_->Take();
  if (calls.empty()) return false;
  bool failed = false;
  const std::vector<Link> links = LinksNow();
  for (const EndedCall& call : calls) {
    totals_.Add(call, links);
    if (trace_) trace_->Add(call);
    failed |= !call.status.ok();
  }
  unwritten_ = true;
  return failed;
}

bool CallJournal::Written(const Status& status) const {
  if (!status.ok()) TW_LOG(kWarn, "rank {}: {}", facts_.writer.rank, status.message());
  return status.ok();
}

void CallJournal::FlushTrace() {
  if (trace_ && !Written(trace_->Flush())) trace_.reset();
}

void CallJournal::WriteMetrics() {
  if (metrics_file_.empty() || !unwritten_) return;
  unwritten_ = false;
  const Status written = WriteSection(
      metrics_file_, facts_.writer,
      MetricSamples(facts_.writer, totals_, LinksNow(), queue_->missed()), MetricHeads());
  if (!Written(written)) metrics_file_.clear();
}

void CallJournal::WriteReport() {
  if (report_file_.empty()) return;
  constexpr std::array<std::string_view, 1> kNoHead = {""};
  const Status written =
      WriteSection(report_file_, facts_.writer, {ReportOf(FactsNow(), totals_)}, kNoHead);
  if (!Written(written)) report_file_.clear();
}

void CallJournal::WriteAll() {
  WriteMetrics();
  WriteReport();
}

ReportFacts CallJournal::FactsNow() const {
  ReportFacts facts = facts_;
  facts.links = LinksNow();
  facts.missed = queue_->missed();
  return facts;
}

std::string CallJournal::Report() {
  const std::lock_guard lock(mutex_);
  ReadCalls();
  return ReportOf(FactsNow(), totals_);
}

void CallJournal::Close() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  queue_->Wake();
  thread_.join();
  const std::lock_guard lock(mutex_);
  ReadCalls();
  FlushTrace();
  WriteAll();
}

}  // namespace thinwire
