// SPDX-License-Identifier: Apache-2.0
#include "mixed_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>

namespace thinwire::chaos {
namespace {

constexpr thinwireOperation_t kOperations[] = {
    thinwireOpAllReduce, thinwireOpAllReduce, thinwireOpReduceScatter, thinwireOpAllGather,
    thinwireOpBroadcast, thinwireOpReduce,    thinwireOpBarrier};

struct CodecUse {
  const char* spec;
  // Of the largest magnitude of a result, how far a value may be off; 1: anything finite.
  double tolerance;
  bool keeps_state;
};
constexpr CodecUse kCodecs[] = {{"raw", 0, false},    {"raw", 0, false},   {"q8", 0.05, false},
                                {"q8+ef", 0.1, true}, {"rq4+ef", 1, true}, {"delta(rq4)", 1, true}};

const CodecUse& UseOf(const std::string& spec) {
  return *std::find_if(std::begin(kCodecs), std::end(kCodecs),
                       [&](const CodecUse& use) { return use.spec == spec; });
}

bool Reduces(thinwireOperation_t operation) {
  return operation == thinwireOpAllReduce || operation == thinwireOpReduceScatter ||
         operation == thinwireOpReduce;
}

int Base(size_t i, int salt) {
  return static_cast<int>((i * 7 + static_cast<size_t>(salt)) % 15) - 7;
}

// How often rank r's b(i), or what all ranks' reduce to, stands in a result.
double Factor(const MixedCall& call, int base, int ranks) {
  switch (call.reduction) {
    case thinwireAvg:
      return (ranks + 1) / 2.0;
    case thinwireMax:
      return base > 0 ? ranks : 1;
    case thinwireMin:
      return base > 0 ? 1 : ranks;
    default:
      return ranks * (ranks + 1) / 2.0;
  }
}

double Expected(const MixedCall& call, size_t i, int rank, int ranks) {
  const auto moved = [&](int from, size_t element) {
    return (from + 1.0) * Base(element, call.salt);
  };
  const auto reduced = [&](size_t element) {
    const int base = Base(element, call.salt);
    return base * Factor(call, base, ranks);
  };
  switch (call.operation) {
    case thinwireOpReduceScatter:
      return reduced(static_cast<size_t>(rank) * call.count + i);
    case thinwireOpAllGather:
      return moved(static_cast<int>(i / call.count), i % call.count);
    case thinwireOpBroadcast:
    case thinwireOpRecv:
      return moved(call.root, i);
    default:
      return reduced(i);
  }
}

template <typename T>
void FillAs(std::vector<std::byte>* bytes, int rank, int salt) {
  auto* values = reinterpret_cast<T*>(bytes->data());
  for (size_t i = 0; i < bytes->size() / sizeof(T); ++i) {
    values[i] = static_cast<T>((rank + 1) * Base(i, salt));
  }
}

template <typename T>
std::string VerifyAs(const MixedCall& call, int rank, int ranks) {
  const double largest = 7.0 * ranks * (ranks + 1) / 2;
  const double tolerance = UseOf(call.codec).tolerance;
  const auto* values = reinterpret_cast<const T*>(call.recv.data());
  for (size_t i = 0; i < call.recv.size() / sizeof(T); ++i) {
    const auto value = static_cast<double>(values[i]);
    const double expected = Expected(call, i, rank, ranks);
    const bool right =
        tolerance < 1 ? std::abs(value - expected) <= tolerance * largest : std::isfinite(value);
    if (right) continue;
    return fmt::format(
        "operation {} of {} elements, type {}, reduction {}, root {}, {}: element {} is {}, not {}",
        static_cast<int>(call.operation), call.count, static_cast<int>(call.dtype),
        static_cast<int>(call.reduction), call.root, call.codec, i, value, expected);
  }
  return "";
}

// Calls `work` with a value of the call's type.
template <typename Work>
auto WithType(thinwireDataType_t dtype, Work work) {
  if (dtype == thinwireInt32) return work(int32_t{});
  if (dtype == thinwireFloat64) return work(double{});
  return work(float{});
}

}  // namespace

MixedCalls::MixedCalls(uint64_t seed, int rank, int ranks, size_t communicators, size_t largest)
    : random_(seed), rank_(rank), ranks_(ranks), communicators_(communicators), largest_(largest) {}

size_t MixedCalls::Below(size_t bound) {
  return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
}

Round MixedCalls::Next() {
  Round round;
  round.way = std::array{Round::Way::kOne, Round::Way::kGroup, Round::Way::kRequests}[Below(3)];
  const size_t calls = round.way == Round::Way::kOne ? 1 : 1 + Below(4);
  for (size_t i = 0; i < calls; ++i) round.calls.push_back(Draw(round.way == Round::Way::kOne));
  if (round.way != Round::Way::kOne && Below(2) == 0) AddExchange(&round);
  for (MixedCall& call : round.calls) Fill(&call);
  return round;
}

MixedCall MixedCalls::Draw(bool may_keep_state) {
  constexpr thinwireDataType_t kTypes[] = {thinwireFloat32, thinwireFloat32, thinwireInt32,
                                           thinwireFloat64};
  constexpr thinwireRedOp_t kReductions[] = {thinwireSum, thinwireSum, thinwireAvg, thinwireMax,
                                             thinwireMin};
  MixedCall call;
  call.operation = kOperations[Below(std::size(kOperations))];
  call.dtype = kTypes[Below(std::size(kTypes))];
  call.reduction = kReductions[Below(std::size(kReductions))];
  if (call.dtype == thinwireInt32 && call.reduction == thinwireAvg) call.reduction = thinwireSum;
  // Small counts as often as large ones.
  const double power = std::uniform_real_distribution<double>(0, std::log2(largest_))(random_);
  call.count = static_cast<size_t>(std::exp2(power));
  call.root = static_cast<int>(Below(static_cast<size_t>(ranks_)));
  call.communicator = Below(communicators_);
  call.salt = static_cast<int>(Below(15));
  const size_t codec = Below(std::size(kCodecs));
  const bool averages = call.reduction == thinwireSum || call.reduction == thinwireAvg;
  const bool may_code = call.dtype == thinwireFloat32 && call.operation != thinwireOpBarrier &&
                        (averages || !Reduces(call.operation));
  if (!may_code || (kCodecs[codec].keeps_state && !may_keep_state)) return call;
  call.codec = kCodecs[codec].spec;
  if (kCodecs[codec].keeps_state) {  // few keys, each always of one kind of call
    const size_t size = Below(3);
    call.count = std::max<size_t>(1, largest_ >> (3 * size));
    call.root = 0;
    call.reduction = thinwireSum;
    call.key = codec * 1000 + static_cast<size_t>(call.operation) * 10 + size;
  }
  return call;
}

// Everyone sends to the next rank.
void MixedCalls::AddExchange(Round* round) {
  MixedCall send = Draw(false);
  send.codec = "raw";
  send.operation = thinwireOpSend;
  send.root = (rank_ + 1) % ranks_;
  MixedCall recv = send;
  recv.operation = thinwireOpRecv;
  recv.root = (rank_ + ranks_ - 1) % ranks_;
  round->calls.push_back(std::move(send));
  round->calls.push_back(std::move(recv));
}

void MixedCalls::Fill(MixedCall* call) const {
  const size_t ranks = static_cast<size_t>(ranks_);
  size_t sent = call->count, received = call->count;
  if (call->operation == thinwireOpReduceScatter) sent *= ranks;
  if (call->operation == thinwireOpAllGather) received *= ranks;
  if (call->operation == thinwireOpBarrier) sent = received = 0;
  if (call->operation == thinwireOpSend) received = 0;
  if (call->operation == thinwireOpRecv) sent = 0;
  if (call->operation == thinwireOpReduce && call->root != rank_) received = 0;
  WithType(call->dtype, [&](auto value) {
    using T = decltype(value);
    call->send.resize(sent * sizeof(T));
    call->recv.resize(received * sizeof(T));
    FillAs<T>(&call->send, rank_, call->salt);
  });
}

thinwireResult_t MixedCalls::Start(MixedCall* call, const std::vector<thinwireComm_t>& comms,
                                   thinwireRequest_t* request) const {
  const std::string policy = "* >=0: " + call->codec;
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  options.policy = policy.c_str();
  options.request = request;
  options.key = call->key;
  const thinwireComm_t comm = comms[call->communicator];
  const void* const send = call->send.data();
  void* const recv = call->recv.data();
  switch (call->operation) {
    case thinwireOpAllReduce:
      return thinwireAllReduce(send, recv, call->count, call->dtype, call->reduction, comm,
                               &options);
    case thinwireOpReduceScatter:
      return thinwireReduceScatter(send, recv, call->count, call->dtype, call->reduction, comm,
                                   &options);
    case thinwireOpAllGather:
      return thinwireAllGather(send, recv, call->count, call->dtype, comm, &options);
    case thinwireOpBroadcast:
      return thinwireBroadcast(send, recv, call->count, call->dtype, call->root, comm, &options);
    case thinwireOpReduce:
      return thinwireReduce(send, recv, call->count, call->dtype, call->reduction, call->root, comm,
                            &options);
    case thinwireOpSend:
      return thinwireSend(send, call->count, call->dtype, call->root, comm, &options);
    case thinwireOpRecv:
      return thinwireRecv(recv, call->count, call->dtype, call->root, comm, &options);
    default:
      return thinwireBarrier(comm, &options);
  }
}

std::string MixedCalls::Verify(const MixedCall& call) {
  if (call.operation == thinwireOpAllReduce || call.operation == thinwireOpAllGather ||
      call.operation == thinwireOpBroadcast) {
    const std::string_view bytes(reinterpret_cast<const char*>(call.recv.data()), call.recv.size());
    digest_ = digest_ * 0x9e3779b97f4a7c15 + std::hash<std::string_view>()(bytes);
  }
  return WithType(call.dtype,
                  [&](auto value) { return VerifyAs<decltype(value)>(call, rank_, ranks_); });
}

}  // namespace thinwire::chaos
