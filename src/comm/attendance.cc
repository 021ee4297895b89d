// SPDX-License-Identifier: Apache-2.0
#include "comm/attendance.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "comm/offspring.h"

namespace thinwire {
namespace {

constexpr auto kLookAgain = std::chrono::microseconds(100);

}  // namespace

Result<std::unique_ptr<Attendance>> Attendance::Make(Communicator* whole,
                                                     const SurvivalPolicy& policy) {
  Env env = whole->env();
  env.survival.clear();
  env.policy.clear();
  TW_ASSIGN(auto apart, Split(whole, 0, whole->rank(), env));
  return std::unique_ptr<Attendance>(new Attendance(std::move(apart), policy));
}

Result<Attendance::Note*> Attendance::Begin(Operation operation, int peer,
                                            std::vector<uint8_t> bytes) {
  Note& note = notes_.emplace_back(Note{.bytes = std::move(bytes), .pending = {}});
  Call call;
  call.operation = operation;
  call.send = call.recv = note.bytes.data();
  call.count = note.bytes.size();
  call.dtype = DataType::kUint8;
  call.root = peer;
  Result<Collective> collective = apart_->Prepare(call);
  if (!collective.ok()) {
    notes_.pop_back();
    return collective.status();
  }
  note.pending = apart_->Submit(apart_, {std::move(collective).value()}).front();
  return &note;
}

void Attendance::ForgetEnded() {
  notes_.remove_if([](const Note& note) { return note.pending.completion->done(); });
}

// On rank 0: 1 for each rank that is late.
Result<std::vector<uint8_t>> Attendance::Gather() {
  const TimePoint deadline = Now() + FromSeconds(policy_.after_seconds);
  const int ranks = apart_->ranks();
  std::vector<Note*> from{nullptr};
  for (int rank = 1; rank < ranks; ++rank) {
    TW_ASSIGN(Note* const note, Begin(Operation::kRecv, rank, std::vector<uint8_t>(1)));
    from.push_back(note);
  }
  std::vector<uint8_t> late(static_cast<size_t>(ranks));
  for (;;) {
    for (size_t rank = 1; rank < from.size(); ++rank) {
      late[rank] = from[rank]->pending.completion->done() ? 0 : 1;
    }
    const auto missing = std::count(late.begin(), late.end(), 1);
    TW_TRY(apart_->error());
    if (missing == 0) break;
    if (Now() >= deadline && ranks - missing >= policy_.on_time) break;
    std::this_thread::sleep_for(kLookAgain);
  }
  for (int rank = 1; rank < ranks; ++rank) TW_TRY(Begin(Operation::kSend, rank, late).status());
  return late;
}

Result<std::vector<int>> Attendance::Late() {
  ForgetEnded();
  std::vector<uint8_t> flags;
  if (apart_->rank() == 0) {
    TW_ASSIGN(flags, Gather());
  } else {
    TW_TRY(Begin(Operation::kSend, 0, {1}).status());
    TW_ASSIGN(
        Note* const verdict,
        Begin(Operation::kRecv, 0, std::vector<uint8_t>(static_cast<size_t>(apart_->ranks()))));
    TW_TRY(verdict->pending.Wait());
    flags = verdict->bytes;
  }
  std::vector<int> late;
  for (size_t rank = 0; rank < flags.size(); ++rank) {
    if (flags[rank] != 0) late.push_back(static_cast<int>(rank));
  }
  return late;
}

}  // namespace thinwire
