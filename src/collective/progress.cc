// SPDX-License-Identifier: Apache-2.0
#include "collective/progress.h"

namespace thinwire {
namespace {

// Slots a step reads.
std::vector<SlotId> Reads(const Step& step) {
  switch (step.verb) {
    case Verb::kSend:
    case Verb::kDecode:
      return {step.slot};
    case Verb::kReduce: {
      std::vector<SlotId> slots;
      for (const SlotId term : step.terms) {
        if (term != kOwnInput) slots.push_back(term);
      }
      return slots;
    }
    case Verb::kCopy:
    case Verb::kEncode:
    case Verb::kReceive:
      return {};
  }
  return {};
}

bool Writes(const Step& step) {
  return step.verb == Verb::kEncode || step.verb == Verb::kReceive ||
         (step.verb == Verb::kReduce && step.slot != kNoSlot);
}

}  // namespace

Progress::Progress(const Plan& plan) : plan_(plan), readers_(plan.slots.size()) {
  std::vector<size_t> slot_segments(plan.slots.size(), 0);
  for (uint32_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    first_.push_back(state_.size());
    const size_t segments = plan.segments(step);
    inputs_.resize(inputs_.size() + segments, static_cast<uint32_t>(Reads(step).size()));
    state_.resize(state_.size() + segments, State::kWaiting);
    for (const SlotId slot : Reads(step)) readers_[slot].push_back(i);
    if (Writes(step)) slot_segments[step.slot] = segments;
    if (step.verb == Verb::kReceive) receives_[{step.peer, step.message}] = i;
  }
  unfinished_ = state_.size();
  for (SlotId slot = 0; slot < plan.slots.size(); ++slot) {
    slot_first_.push_back(unread_.size());
    unread_.resize(unread_.size() + slot_segments[slot],
                   static_cast<uint32_t>(readers_[slot].size()));
  }
  for (uint32_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    if (step.verb == Verb::kReceive || !Reads(step).empty()) continue;
    for (uint32_t s = 0; s < plan.segments(step); ++s) MakeReady({i, s});
  }
}

void Progress::MakeReady(Item item) {
  const Step& step = plan_.steps[item.step];
  state_[Index(item)] = State::kReady;
  const Entry entry{step.stage, item.segment, item.step};
  if (step.verb == Verb::kSend) {
    PushSend(step.peer, entry);
  } else {
    ready_[static_cast<size_t>(step.verb)].push(entry);
  }
}

void Progress::PushSend(int peer, Entry entry) {
  Queue& queue = sends_[peer];
  if (!queue.empty()) next_sends_.erase({queue.top(), peer});
  queue.push(entry);
  next_sends_.insert({queue.top(), peer});
}

std::optional<Item> Progress::ReadySend(const std::function<bool(int)>& may_send) const {
  for (const auto& [entry, peer] : next_sends_) {
    if (may_send(peer)) return Item{entry.step, entry.segment};
  }
  return std::nullopt;
}

void Progress::TakeSend(Item item) {
  const int peer = plan_.steps[item.step].peer;
  Queue& queue = sends_[peer];
  state_[Index(item)] = State::kTaken;
  next_sends_.erase({queue.top(), peer});
  queue.pop();
  if (!queue.empty()) next_sends_.insert({queue.top(), peer});
}

std::optional<Item> Progress::Ready(Verb verb) const {
  const Queue& queue = ready_[static_cast<size_t>(verb)];
  if (queue.empty()) return std::nullopt;
  return Item{queue.top().step, queue.top().segment};
}

void Progress::Take(Verb verb) {
  Queue& queue = ready_[static_cast<size_t>(verb)];
  state_[Index({queue.top().step, queue.top().segment})] = State::kTaken;
  queue.pop();
}

std::optional<Verb> Progress::NextCompute(bool may_encode) const {
  for (const Verb verb : {Verb::kEncode, Verb::kReduce, Verb::kDecode, Verb::kCopy}) {
    if (verb == Verb::kEncode && !may_encode) continue;
    if (Ready(verb)) return verb;
  }
  return std::nullopt;
}

std::optional<Item> Progress::Expected(int peer, uint16_t message, uint32_t segment) const {
  const auto found = receives_.find({peer, message});
  if (found == receives_.end()) return std::nullopt;
  const Item item{found->second, segment};
  if (segment >= plan_.segments(plan_.steps[item.step])) return std::nullopt;
  if (state_[Index(item)] != State::kWaiting) return std::nullopt;
  return item;
}

void Progress::Finish(Item item, std::vector<std::pair<SlotId, uint32_t>>* unread) {
  const Step& step = plan_.steps[item.step];
  state_[Index(item)] = State::kDone;
  --unfinished_;
  for (const SlotId slot : Reads(step)) {
    if (--unread_[slot_first_[slot] + item.segment] == 0) unread->push_back({slot, item.segment});
  }
  if (!Writes(step)) return;
  for (const uint32_t reader : readers_[step.slot]) {
    const Item dependent{reader, item.segment};
    if (--inputs_[Index(dependent)] == 0) MakeReady(dependent);
  }
}

std::vector<int> Progress::AwaitedPeers(Verb verb) const {
  std::set<int> peers;
  for (uint32_t i = 0; i < plan_.steps.size(); ++i) {
    const Step& step = plan_.steps[i];
    if (step.verb != verb) continue;
    for (uint32_t s = 0; s < plan_.segments(step); ++s) {
      if (state_[Index({i, s})] != State::kDone) peers.insert(step.peer);
    }
  }
  return {peers.begin(), peers.end()};
}

}  // namespace thinwire
