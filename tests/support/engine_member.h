// SPDX-License-Identifier: Apache-2.0
//
// Engines without a communicator, so that tests choose transport, decorators, device and limits.

#ifndef THINWIRE_TESTS_SUPPORT_ENGINE_MEMBER_H_
#define THINWIRE_TESTS_SUPPORT_ENGINE_MEMBER_H_

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "collective/engine.h"
#include "collective/planner.h"
#include "support/member.h"
#include "transport/faulty_transport.h"
#include "transport/ranks.h"

namespace thinwire {

// What engines of a test stand on.
struct EngineStack {
  MakeForRanks transport;
  std::function<std::unique_ptr<Device>()> device = [] { return MakeHostDevice(); };
  std::string links;  // text of a LinkModel
  size_t segment_bytes = size_t{128} << 10;
  double timeout_seconds = 60;
  double silence_seconds = 20;
  size_t early_bytes = size_t{1} << 30;
};

class EngineMember final : public Member {
 public:
  EngineMember(const EngineStack& stack, int rank, int ranks, std::unique_ptr<Transport> transport)
      : rank_(rank),
        ranks_(ranks),
        transport_(transport.get()),
        links_(LinkModel::Parse(stack.links, ranks).value()),
        planner_(links_, CostModel{}, stack.segment_bytes),
        device_(stack.device()),
        engine_(Options(stack, rank, ranks), links_, std::move(transport), device_.get()) {}

  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }
  Engine& engine() { return engine_; }
  FaultyTransport& faults() { return dynamic_cast<FaultyTransport&>(*transport_); }

  std::vector<std::shared_ptr<Completion>> Start(const std::vector<Part>& parts) {
    std::vector<Collective> collectives;
    for (const Part& part : parts) {
      PlanRequest request;
      request.operation = part.op.operation;
      request.dtype = part.op.dtype;
      request.reduction = part.op.reduction;
      request.count = part.op.count;
      request.root = part.op.root;
      request.ranks = ranks_;
      request.codec = FindCodec(part.op.codec).value();
      Collective collective;
      collective.plan =
          planner_.PlanFor(request, Planner::Asked(request.operation, part.op.algorithm), rank_)
              .value();
      collective.input = part.send;
      collective.output = part.recv;
      collective.sequence = IsPointToPoint(request.operation)
                                ? next_pair_[{request.operation, request.root}]++
                                : next_++;
      collectives.push_back(std::move(collective));
    }
    return engine_.Submit(std::move(collectives));
  }

  Status RunTogether(const std::vector<Part>& parts) override {
    Status first;
    for (const auto& completion : Start(parts)) {
      const Status status = completion->Wait();
      if (first.ok()) first = status;
    }
    return first;
  }

 private:
  static EngineOptions Options(const EngineStack& stack, int rank, int ranks) {
    EngineOptions options;
    options.rank = rank;
    options.ranks = ranks;
    options.communicator = 42;
    options.timeout_seconds = stack.timeout_seconds;
    options.silence_seconds = stack.silence_seconds;
    options.early_bytes = stack.early_bytes;
    return options;
  }

  const int rank_;
  const int ranks_;
  Transport* const transport_;
  const LinkModel links_;
  Planner planner_;
  const std::unique_ptr<Device> device_;
  Engine engine_;
  uint64_t next_ = 0;
  std::map<std::pair<Operation, int>, uint64_t> next_pair_;
};

inline void RunEngines(const EngineStack& stack, int ranks,
                       const std::function<void(EngineMember&)>& body) {
  Made made = MakeRanks(stack.transport, ranks);
  ASSERT_EQ(made.transports.size(), static_cast<size_t>(ranks));
  OnThreads(ranks, [&](int rank) {
    auto transport = std::move(made.transports[static_cast<size_t>(rank)]);
    const Status connected = transport->Connect(rank, made.addresses, Patience());
    ASSERT_TRUE(connected.ok()) << connected.message();
    EngineMember member(stack, rank, ranks, std::move(transport));
    body(member);
    member.engine().Close();
  });
}

inline RunMembers MembersOf(const EngineStack& stack) {
  return [stack](int ranks, const std::function<void(Member&)>& body) {
    RunEngines(stack, ranks, [&](EngineMember& member) { body(member); });
  };
}

inline Result<std::unique_ptr<Transport>> MakeLoopback(int) {
  return MakeTransport("loopback", {});
}

// Loopback whose messages suffer `options`, each rank with a seed of its own.
inline MakeForRanks MakeFaulty(FaultOptions options) {
  auto seed = std::make_shared<uint64_t>(options.seed);
  return [options, seed](int) mutable -> Result<std::unique_ptr<Transport>> {
    TW_ASSIGN(auto inner, MakeTransport("loopback", {}));
    options.seed = (*seed)++;
    return std::unique_ptr<Transport>(std::make_unique<FaultyTransport>(std::move(inner), options));
  };
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_SUPPORT_ENGINE_MEMBER_H_
