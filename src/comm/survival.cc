// SPDX-License-Identifier: Apache-2.0
#include "comm/survival.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "comm/offspring.h"

namespace thinwire {
namespace {

using Kind = SurvivalPolicy::Kind;

// Ranks that notice a loss late have heard nothing of the lost one for Env::silence_seconds.
constexpr double kPatience = 1.25;   // of that
constexpr double kMorePatience = 2;  // seconds
constexpr int kAttempts = 3;         // to make a communicator, when more ranks are lost meanwhile
constexpr auto kWatchInterval = std::chrono::milliseconds(50);

bool NeedsAll(Operation operation) {
  return operation == Operation::kAllGather || operation == Operation::kReduceScatter ||
         operation == Operation::kAllToAll;
}

Call Confirmation() {
  Call barrier;
  barrier.operation = Operation::kBarrier;
  return barrier;
}

}  // namespace

// What calls may write over, to be made again from.
class Survival::Inputs {
 public:
  Inputs(const std::vector<Call>& calls, int rank, int ranks) {
    for (const Call& call : calls) {
      if (call.operation == Operation::kBroadcast && call.root != rank) continue;
      const BufferElements elements = ElementsOf(call.operation, call.count, ranks);
      const size_t size = SizeOf(call.dtype);
      const auto* const send = static_cast<const std::byte*>(call.send);
      const auto* const recv = static_cast<const std::byte*>(call.recv);
      if (send == nullptr || recv == nullptr) continue;
      const auto* const send_end = send + elements.input * size;
      if (send < recv + elements.output * size && recv < send_end) {
        copies_.push_back({&call, {send, send_end}});
      }
    }
  }
  void Restore() const {
    for (const Copy& copy : copies_) {
      std::memcpy(const_cast<void*>(copy.of->send), copy.bytes.data(), copy.bytes.size());
    }
  }

 private:
  struct Copy {
    const Call* of;
    std::vector<std::byte> bytes;
  };
  std::vector<Copy> copies_;
};

Survival::Survival(Communicator* whole, const SurvivalPolicy& policy)
    : rank_(whole->rank()), ranks_(whole->ranks()), policy_(policy), members_(ranks_) {
  std::iota(members_.begin(), members_.end(), 0);
  SetParty(members_);
}

Result<std::unique_ptr<Survival>> Survival::Make(Communicator* whole, const std::string& text) {
  TW_ASSIGN(const SurvivalPolicy policy, SurvivalPolicy::Parse(text, whole->ranks()));
  if (policy.kind == Kind::kAbort) return std::unique_ptr<Survival>();
  if (!whole->env().sites.empty()) {
    return InvalidUsage("survival policy '{}' can't be combined with sites (THINWIRE_SITES)", text);
  }
  auto survival = std::unique_ptr<Survival>(new Survival(whole, policy));
  if (policy.kind == Kind::kDeadline) {
    TW_ASSIGN(survival->attendance_, Attendance::Make(whole, policy));
  }
  if (policy.kind == Kind::kVote) whole->store().BeginStep();
  if (policy.kind != Kind::kDeadline) {
    survival->watch_ = std::thread(&Survival::Watch, survival.get(), whole);
  }
  return survival;
}

Survival::~Survival() { Close(); }

// Where the program makes no call, nobody else would notice that ranks were lost, and the others
// would take this one for lost, too.
void Survival::Watch(Communicator* whole) {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, kWatchInterval, [this] { return stop_; })) {
    lock.unlock();
    if (const std::unique_lock turn(turn_, std::try_to_lock); turn.owns_lock()) {
      uint64_t all_ended = 0;
      if (error().ok() && !acting(whole).own_error().ok()) (void)GoOn(whole, runs_, &all_ended);
    }
    lock.lock();
  }
}

Status Survival::Check(const Call& call) const {
  const bool pair = IsPointToPoint(call.operation);
  if (policy_.kind == Kind::kExclude && pair) {
    return InvalidUsage(
        "{} has two ranks alone, and the survival policy makes calls again with all that are left; "
        "use a communicator of another policy",
        NameOf(call.operation));
  }
  return {};
}

Result<Call> Survival::Among(const Call& call) const {
  if (all_left()) return call;
  if (NeedsAll(call.operation)) {
    return RemoteError("{} needs all {} ranks, of which {} are left: {}; split the communicator",
                       NameOf(call.operation), ranks_, members_.size(), fmt::join(members_, ", "));
  }
  Call among = call;
  const auto root = std::ranges::find(members_, call.root);
  const bool rooted = HasRoot(call.operation) || IsPointToPoint(call.operation);
  if (rooted && root == members_.end()) {
    return RemoteError("{}: rank {} was lost", NameOf(call.operation), call.root);
  }
  if (rooted) among.root = static_cast<int>(root - members_.begin());
  return among;
}

Status Survival::Attempt(const std::shared_ptr<Communicator>& whole, const std::vector<Call>& calls,
                         bool confirm, bool* ended) {
  const std::shared_ptr<Communicator> on = heir_ == nullptr ? whole : heir_;
  std::vector<int> late;
  if (attendance_ != nullptr) {
    TW_ASSIGN(late, attendance_->Late());
  }
  std::vector<Collective> collectives;
  for (const Call& call : calls) {
    TW_ASSIGN(Call among, Among(call));
    if (call.operation == Operation::kAllReduce) among.absent = late;
    TW_ASSIGN(Collective collective, on->Prepare(among));
    collectives.push_back(std::move(collective));
  }
  Status first;
  for (Pending& pending : on->Submit(on, std::move(collectives))) {
    const Status status = pending.Wait();
    if (first.ok()) first = status;
  }
  TW_TRY(first);
  *ended = true;
  std::vector<int> took_part;
  std::ranges::set_difference(members_, late, std::back_inserter(took_part));
  SetParty(took_part);
  if (!confirm) return {};
  TW_ASSIGN(Collective barrier, on->Prepare(Confirmation()));
  return on->Submit(on, {std::move(barrier)}).front().Wait();
}

Status Survival::Run(const std::shared_ptr<Communicator>& whole, const std::vector<Call>& calls) {
  const std::lock_guard turn(turn_);
  TW_TRY(error());
  if (policy_.kind == Kind::kExclude) return RunToEnd(whole, calls);
  if (discarding_) return {};
  bool ended = false;
  const Status status = Attempt(whole, calls, /*confirm=*/false, &ended);
  if (status.ok()) return status;
  if (attendance_ != nullptr && !attendance_->error().ok()) whole->Abort(status.message());
  if (acting(whole.get()).own_error().ok()) return status;  // it was refused
  if (policy_.kind == Kind::kDeadline) return Broken(status);
  uint64_t all_ended = 0;
  return GoOn(whole.get(), runs_, &all_ended);
}

Status Survival::RunToEnd(const std::shared_ptr<Communicator>& whole,
                          const std::vector<Call>& calls) {
  const Inputs inputs(calls, rank_, ranks_);
  for (;;) {
    bool ended = false;
    const Status status = Attempt(whole, calls, /*confirm=*/true, &ended);
    uint64_t all_ended = runs_ + 1;
    if (!status.ok()) {
      if (acting(whole.get()).own_error().ok()) return status;  // it was refused
      TW_TRY(GoOn(whole.get(), runs_ + (ended ? 1 : 0), &all_ended));
    }
    if (all_ended > runs_) {
      ++runs_;
      return {};
    }
    inputs.Restore();
    discarding_ = false;  // all are in this run, and nothing came after it
  }
}

Status Survival::GoOn(Communicator* whole, uint64_t ended, uint64_t* all_ended) {
  Communicator& failed = acting(whole);
  const Status failure = failed.own_error();
  const bool peers = failure.code() == Code::kRemote || failure.code() == Code::kTimeout;
  if (!peers || aborted_) return Broken(failure);
  const double patience = failed.env().silence_seconds * kPatience + kMorePatience;
  Status last;
  for (int attempt = 0; attempt < kAttempts && !aborted_; ++attempt) {
    const auto roll = failed.places().CallRoll(
        failed.Suspects(), fmt::format("roll call {}", attempt), std::to_string(ended), patience);
    if (!roll.ok()) return Broken(roll.status());
    std::vector<int> left;
    *all_ended = ended;
    for (int rank = 0; rank < failed.ranks(); ++rank) {
      const std::string& brought = roll.value()[static_cast<size_t>(rank)];
      if (brought.empty()) continue;
      left.push_back(rank);
      *all_ended = std::min<uint64_t>(*all_ended, std::strtoull(brought.c_str(), nullptr, 10));
    }
    if (!policy_.MayGoOn(left, failed.ranks())) {
      return Broken(RemoteError("{} of {} ranks are left, too few to go on (THINWIRE_SURVIVAL): {}",
                                left.size(), failed.ranks(), failure.message()));
    }
    last = Outlive(&failed, left, attempt);
    if (last.ok()) return last;
    TW_LOG(kWarn, "rank {}: {}", rank_, last.message());
  }
  return Broken(last.WithContext("going on without the ranks that were lost"));
}

Status Survival::Outlive(Communicator* failed, const std::vector<int>& left, int attempt) {
  Env env = failed->env();
  env.survival.clear();
  TW_ASSIGN(auto heir, Remake(failed, left, fmt::format("those left {}", attempt), env));
  std::vector<int> members;
  for (const int rank : left) members.push_back(members_[static_cast<size_t>(rank)]);
  TW_LOG(kWarn, "rank {}: goes on with rank{} {} of {}", rank_, members.size() == 1 ? "" : "s",
         fmt::join(members, ", "), ranks_);
  members_ = std::move(members);
  discarding_ = policy_.kind == Kind::kVote;
  if (discarding_) heir->store().BeginStep();
  const std::lock_guard lock(mutex_);
  std::swap(heir_, heir);
  if (heir != nullptr) heir->Close();
  return {};
}

Status Survival::Vote(const std::shared_ptr<Communicator>& whole, bool well, bool* committed) {
  if (policy_.kind != Kind::kVote) {
    return InvalidUsage("the communicator's survival policy is not vote (THINWIRE_SURVIVAL)");
  }
  const std::lock_guard turn(turn_);
  TW_TRY(error());
  int32_t ballot = well && !discarding_ ? 1 : 0;
  Call call;
  call.send = call.recv = &ballot;
  call.count = 1;
  call.dtype = DataType::kInt32;
  call.reduction = Reduction::kMin;
  // If ranks are lost when the vote has ended everywhere, others may be in the next step already:
  // that one is lost then, here as there.
  discarding_ = false;
  TW_TRY(RunToEnd(whole, {call}));
  *committed = ballot == 1;
  ReplicaStore& store = acting(whole.get()).store();
  if (!*committed) store.UndoStep();
  store.BeginStep();
  return {};
}

void Survival::SetParty(const std::vector<int>& ranks) {
  const std::lock_guard lock(mutex_);
  party_ = {ranks, Xxh3(std::as_bytes(std::span(ranks)))};
}

Survival::Party Survival::party() const {
  const std::lock_guard lock(mutex_);
  return party_;
}

Status Survival::Broken(Status why) {
  const std::lock_guard lock(mutex_);
  broken_ = why;
  return why;
}

Status Survival::error() const {
  const std::lock_guard lock(mutex_);
  return broken_;
}

std::shared_ptr<Communicator> Survival::heir() const {
  const std::lock_guard lock(mutex_);
  return heir_;
}

void Survival::Abort(const std::string& why) {
  aborted_ = true;
  if (attendance_ != nullptr) attendance_->Abort(why);
  if (const auto acting = heir(); acting != nullptr) acting->Abort(why);
}

void Survival::Close() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
  if (watch_.joinable()) watch_.join();
  if (attendance_ != nullptr) attendance_->Close();
  if (const auto acting = heir(); acting != nullptr) acting->Close();
}

}  // namespace thinwire
