// SPDX-License-Identifier: Apache-2.0
#include "comm/group.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "comm/hierarchy.h"
#include "comm/joint_gate.h"
#include "comm/survival.h"

namespace thinwire {

Group& Group::Current() {
  static thread_local Group group;
  return group;
}

Status Group::Issue(const std::shared_ptr<Communicator>& communicator, Call call,
                    std::unique_ptr<Pending>* request) {
  call.in_group = open();
  if (communicator->survival() != nullptr) {
    const Status status = IssueSurviving(communicator, call, request != nullptr);
    return status.ok() ? status : Refuse(status);
  }
  Result<Entry> entry = EntryOf(communicator, call, request);
  if (!entry.ok()) return Refuse(entry.status());
  entries_.push_back(std::move(entry).value());
  return open() ? Status() : Run();
}

Status Group::Issue(std::shared_ptr<Job> job, const void* owner, bool blocking) {
  jobs_.push_back({std::move(job), owner, blocking});
  return open() ? Status() : RunJobs();
}

Status Group::IssueSurviving(const std::shared_ptr<Communicator>& communicator, const Call& call,
                             bool returns_at_once) {
  if (returns_at_once) {
    return InvalidUsage(
        "{}: calls on a communicator with a survival policy return when they have ended; give no "
        "request",
        NameOf(call.operation));
  }
  TW_TRY(communicator->CheckSurvivable(call));
  surviving_.push_back({communicator, call});
  return open() ? Status() : RunSurviving();
}

Result<Group::Entry> Group::EntryOf(const std::shared_ptr<Communicator>& communicator,
                                    const Call& call, std::unique_ptr<Pending>* request) {
  Hierarchy* const hierarchy = communicator->hierarchy();
  if (hierarchy == nullptr || !hierarchy->Takes(call)) {
    TW_ASSIGN(Collective collective, communicator->Prepare(call));
    return Entry{communicator, std::move(collective), call.stream, request};
  }
  TW_ASSIGN(Collective collective, hierarchy->between()->Prepare(hierarchy->Across(call)));
  return Entry{hierarchy->between(), std::move(collective), call.stream, request, hierarchy, call};
}

Status Group::Refuse(Status status) {
  if (open() && refused_.ok()) refused_ = status;
  return status;
}

Status Group::End() {
  if (depth_ == 0) return InvalidUsage("GroupEnd without a GroupStart on this thread");
  if (--depth_ > 0) return {};
  const Status refused = std::exchange(refused_, Status());
  if (refused.ok() && jobs_.empty()) return Run();
  if (refused.ok() && entries_.empty() && surviving_.empty()) return RunJobs();
  const Status none_ran =
      refused.ok() ? InvalidUsage("a group can't both use and make communicators")
                   : refused.WithContext("no call of the group ran, because one was refused");
  Drop(none_ran);
  return none_ran;
}

Result<double> Group::EndByPredicting() {
  if (depth_ != 1) return InvalidUsage("only the outermost group can be predicted");
  depth_ = 0;
  std::map<Communicator*, std::vector<const Collective*>> of;
  for (const Entry& entry : entries_) {
    of[entry.communicator.get()].push_back(&entry.collective);
  }
  Status refused = std::exchange(refused_, Status());
  if (refused.ok() && !surviving_.empty()) {
    refused = InvalidUsage("calls on a communicator with a survival policy can't be predicted");
  }
  double seconds = 0;
  for (const auto& [communicator, collectives] : of) {
    seconds = std::max(seconds, communicator->Predict(collectives));
  }
  Drop(InvalidUsage("the group was predicted and not run"));
  if (!refused.ok()) return refused;
  return seconds;
}

void Group::Drop(const Status& why) {
  for (const Begun& begun : std::exchange(jobs_, {})) begun.job->Cancel(why);
  surviving_.clear();
  for (Entry& entry : std::exchange(entries_, {})) {
    if (entry.request == nullptr) continue;
    auto completion = std::make_shared<Completion>();
    completion->Set(why, {});
    *entry.request = std::make_unique<Pending>(Pending{entry.communicator, std::move(completion)});
  }
}

// Refuses groups of which a part would be replayed, and joins the streams of others.
Status Group::JoinStreams(std::vector<Entry>* entries) {
  std::set<std::pair<Device*, void*>> streams;
  std::vector<std::shared_ptr<StreamGate>> gates;
  size_t captured = 0;
  for (const Entry& entry : *entries) {
    if (entry.collective.gate == nullptr) continue;
    streams.insert({entry.collective.device, entry.stream});
    gates.push_back(entry.collective.gate);
    if (entry.collective.gate->repeats()) ++captured;
  }
  if (captured > 0 && captured < entries->size()) {
    return InvalidUsage("{} of {} calls of a group are captured in a graph: capture all or none",
                        captured, entries->size());
  }
  if (captured > 0 || streams.size() < 2) return {};
  const auto joined = JoinGates(gates);
  auto joint = joined.begin();
  for (Entry& entry : *entries) {
    if (entry.collective.gate != nullptr) entry.collective.gate = *joint++;
  }
  return {};
}

Status Group::EnterStreams(std::vector<Entry>* entries) {
  Status entered;
  for (Entry& entry : *entries) {
    if (entry.collective.device == nullptr) continue;
    Result<std::shared_ptr<StreamGate>> gate = entry.collective.device->Enter(entry.stream);
    if (gate.ok()) entry.collective.gate = std::move(gate).value();
    entered = gate.status();
    if (entered.ok() && entry.collective.gate->repeats() && entry.request != nullptr) {
      entered = InvalidUsage("a request can't be for a call that is captured in a graph");
    }
    if (!entered.ok()) break;
  }
  if (entered.ok()) entered = JoinStreams(entries);
  if (entered.ok()) return {};
  for (const Entry& entry : *entries) {
    if (entry.collective.gate == nullptr) continue;
    (void)entry.collective.gate->Hold();
    entry.collective.gate->Release();
  }
  return entered;
}

Status Group::RunJobs() {
  std::vector<Begun> jobs = std::exchange(jobs_, {});
  if (jobs.size() == 1 && jobs.front().blocking) {
    jobs.front().job->Run();
    return jobs.front().job->status();
  }
  std::map<const void*, std::vector<std::shared_ptr<Job>>> by_owner;
  for (const Begun& begun : jobs) by_owner[begun.owner].push_back(begun.job);
  for (auto& [owner, own] : by_owner) RunApart(std::move(own));
  Status first;
  for (const Begun& begun : jobs) {
    const Status status = begun.blocking ? begun.job->Wait() : begun.job->status();
    if (first.ok() || first.code() == Code::kInProgress) first = status.ok() ? first : status;
  }
  return first;
}

Status Group::Run() {
  const Status entries = RunEntries();
  const Status surviving = RunSurviving();
  return entries.ok() ? surviving : entries;
}

// One communicator after another, in the order of their first calls, which all ranks have.
Status Group::RunSurviving() {
  std::vector<Surviving> all = std::exchange(surviving_, {});
  Status first;
  while (!all.empty()) {
    const std::shared_ptr<Communicator> communicator = all.front().communicator;
    std::vector<Call> calls;
    for (const Surviving& each : all) {
      if (each.communicator == communicator) calls.push_back(each.call);
    }
    std::erase_if(all, [&](const Surviving& each) { return each.communicator == communicator; });
    const Status status = communicator->survival()->Run(communicator, calls);
    if (first.ok()) first = status;
  }
  return first;
}

Status Group::RunEntries() {
  std::vector<Entry> entries = std::exchange(entries_, {});
  for (const Entry& entry : entries) {
    if (entry.hierarchy != nullptr) TW_TRY(entry.hierarchy->Before(entry.whole));
  }
  TW_TRY(EnterStreams(&entries));
  // One submission a communicator: its operations start together.
  std::vector<Pending> pending(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    if (pending[i].completion) continue;
    std::vector<Collective> collectives;
    std::vector<size_t> places;
    for (size_t j = i; j < entries.size(); ++j) {
      if (entries[j].communicator != entries[i].communicator) continue;
      collectives.push_back(entries[j].collective);
      places.push_back(j);
    }
    auto submitted =
        entries[i].communicator->Submit(entries[i].communicator, std::move(collectives));
    for (size_t k = 0; k < places.size(); ++k) pending[places[k]] = std::move(submitted[k]);
  }
  // Streams wait from here on, when all they could wait for is under way.
  Status first;
  for (const Entry& entry : entries) {
    if (entry.collective.gate == nullptr) continue;
    Status held = entry.collective.gate->Hold();
    if (held.ok() && entry.hierarchy != nullptr) held = entry.hierarchy->After(entry.whole);
    if (first.ok()) first = held;
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].request != nullptr) {
      *entries[i].request = std::make_unique<Pending>(std::move(pending[i]));
      continue;
    }
    if (entries[i].collective.gate != nullptr) continue;  // the stream waits, not the caller
    const Status status = pending[i].Wait();
    if (!status.ok()) (void)entries[i].communicator->error();  // which notes that it failed
    if (first.ok()) first = status;
  }
  return first;
}

}  // namespace thinwire
