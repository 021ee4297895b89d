// SPDX-License-Identifier: Apache-2.0
//
// Communicator: one rank's membership in a set of ranks. Numbers operations, turns policy into
// codec and algorithm, asks the planner and hands plans to its engine; keeps state and statistics.
// One thread at a time, but for Abort and error.

#ifndef THINWIRE_COMM_COMMUNICATOR_H_
#define THINWIRE_COMM_COMMUNICATOR_H_

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/env.h"
#include "base/status.h"
#include "bootstrap/meeting_places.h"
#include "bootstrap/unique_id.h"
#include "collective/engine.h"
#include "collective/planner.h"
#include "comm/call_journal.h"
#include "comm/flight_recorder.h"
#include "comm/held_state.h"
#include "comm/link_refresh.h"
#include "comm/nccl_algorithms.h"
#include "comm/policy.h"
#include "comm/replica_store.h"

namespace thinwire {

// One call as it came through the API.
struct Call {
  Operation operation = Operation::kAllReduce;
  const void* send = nullptr;
  void* recv = nullptr;
  size_t count = 0;
  DataType dtype = DataType::kFloat32;
  Reduction reduction = Reduction::kSum;
  int root = 0;                  // or the peer of a send or receive
  const char* policy = nullptr;  // for this call only
  std::string tensor;            // its name, "" if it has none
  uint64_t key = kNoKey;
  std::optional<Factor> factor;  // what this rank contributes is multiplied by it first
  std::vector<int> absent;       // as in PlanRequest
  void* stream = nullptr;  // null where buffers are host memory; else of their device, its default
  bool in_group = false;
};

// A submitted call.
class Communicator;
struct Pending {
  std::shared_ptr<Communicator> communicator;
  std::shared_ptr<Completion> completion;
  Status Wait() { return completion->Wait(); }
};

class Hierarchy;
class Survival;

class Communicator;

// What a communicator has of another one.
struct Heritage {
  Communicator* whole = nullptr;  // it is a part of this one, whose state and ledger it shares
  std::shared_ptr<Ledger> ledger = {};  // it goes on with this one
  std::optional<LinkModel> links;       // found already, on all its ranks
  std::optional<LinkModel> shape;       // in place of Env::shape, which is for other ranks
};

class Communicator {
 public:
  // The id of a communicator to be, whose ranks gather at this process.
  static Result<UniqueId> NewId(const Env& env);
  // In two steps, of which the first takes no time and knows the calling thread's CUDA device; or
  // in one.
  static Result<std::shared_ptr<Communicator>> New(int rank, int ranks, const Env& env,
                                                   Heritage heritage);
  Status Join(const UniqueId& id);
  static Result<std::shared_ptr<Communicator>> Create(const UniqueId& id, int rank, int ranks,
                                                      const Env& env, Heritage heritage = {});
  ~Communicator();

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  const Env& env() const { return env_; }
  // Of its CUDA device; -1: it has none.
  int device_number() const { return cuda_ == nullptr ? -1 : cuda_->number(); }

  // Checks a call and plans it; nothing is sent yet and no state changes. Errors name the argument.
  Result<Collective> Prepare(const Call& call);
  // How long prepared calls take together, by the links as they are known; 0: they are not.
  double Predict(const std::vector<const Collective*>& collectives);
  // Hands in prepared calls; they start together, or each when its stream comes to its gate.
  std::vector<Pending> Submit(const std::shared_ptr<Communicator>& self,
                              std::vector<Collective> collectives);

  // What makes a call impossible that survival() is to run.
  Status CheckSurvivable(const Call& call) const;

  // The failure that stopped it; OK while it runs, and when it was revoked.
  Status error() const;
  // That of its own ranks, where it may survive by others.
  Status own_error() const;
  std::set<int> Suspects() const { return engine_->Suspects(); }

  // Sums of what each rank multiplies first by a factor of its own: under numbers from kReductions
  // on. kInvalidArgument: there is none of that number and type.
  int AddReduction(DataType dtype, const Factor& factor);
  Result<Factor> FindReduction(int number, DataType dtype) const;
  Status RemoveReduction(int number);

  void Abort(const std::string& why);
  // Abort, by which it does not count as failed: others can still be made from it. Once.
  Status Revoke();
  // Leaves in good order. Calls afterwards are refused.
  void Close();
  // Close, for callers that go on to use the handle. Not after Revoke.
  Status Finalize();
  // For a process that ends, before Close: gives up what is in flight, so that Close doesn't wait
  // for it, and begins to say goodbye.
  void Leave();

  ReplicaStore& store();
  // How calls go where ranks stand in sites; null: all ranks alike.
  Hierarchy* hierarchy() const { return hierarchy_.get(); }
  // What makes its calls where it is to survive the loss of ranks; null: nothing.
  Survival* survival() const { return survival_.get(); }

  Ledger& ledger() { return *ledger_; }
  const std::shared_ptr<Ledger>& shared_ledger() const { return ledger_; }
  const FlightRecorder& recorder() const { return *recorder_; }
  // The report (comm/report.h); only what the ledger knows where no variable asks for more. Any
  // thread.
  Status WriteReport(const std::string& path) const;

  // Every rank would hand it over, its policy is exact, and its ranks stand close together.
  bool may_hand_over() const;

  // What plans are made by, and since when.
  const LinkModel& links() const { return planner_->links(); }
  TimePoint links_since() const { return links_since_; }

  // For those that are made from it (offspring.h): where its ranks meet, and for the how manieth
  // time; the links as they were when it was made, and as they are emulated.
  const MeetingPlaces& places() const { return *places_; }
  uint64_t NextMeeting() { return meetings_++; }
  const LinkModel& first_links() const { return planner_->first_links(); }
  const std::optional<LinkModel>& shape() const { return heritage_.shape; }

 private:
  Communicator(int rank, int ranks, Env env, Heritage heritage);
  Status OpenDevices();
  Status Connect(const UniqueId& id);
  // `text`: as in SharedSettings. Messages for the engine may come while links are measured.
  Result<LinkModel> FindLinks(const std::string& text, const EngineOptions& options,
                              Transport* transport, std::vector<Message>* early);
  Status FormSites();
  // Adopts what the ranks have learned of their links, where it is time to.
  Status RefreshLinks();
  Status CheckOpen() const;
  Status CheckArguments(const Call& call) const;
  Result<Policy::Choice> ChoiceFor(const Call& call);
  // The choice of a policy, unless this call or communicator lacks what the codec needs.
  Policy::Choice ChoiceOf(const Policy& policy, const Call& call);
  // Chooses codec and algorithm where the policy says `auto`.
  void Resolve(const Call& call, Policy::Choice* choice);
  PlanRequest RequestOf(const Call& call, const Codec* codec) const;
  uint64_t NextSequence(const PlanRequest& request, bool captured);
  // Whose memory the call's buffers are; null: the host's.
  Result<Device*> DeviceOf(const Call& call) const;
  // The operation by which ranks agree on the steps of another.
  Result<std::shared_ptr<Collective>> AgreementOn(const Collective& whole);
  // Says what the planner chose and why, once for each operation, power of two of sizes and codec.
  void LogChoice(const PlanRequest& request);

  const int rank_;
  const int ranks_;
  const Env env_;
  Heritage heritage_;
  std::unique_ptr<MeetingPlaces> places_;
  uint64_t meetings_ = 0;
  // Only goes up. Any thread.
  enum class Life : uint8_t { kOpen, kRevoked, kClosed };
  std::atomic<Life> life_{Life::kOpen};
  Policy policy_;
  NcclAlgorithms nccl_algorithms_;
  std::unique_ptr<Device> host_;         // devices outlive the engine and the store
  std::unique_ptr<Device> cuda_;         // null: there is none
  std::shared_ptr<ReplicaStore> store_;  // outlives the engine, whose operations hold leases
  std::shared_ptr<Ledger> ledger_;
  std::unique_ptr<FlightRecorder> recorder_;
  std::unique_ptr<Planner> planner_;
  TimePoint links_since_{};
  std::shared_ptr<const LinkModel> adopted_;  // null: as at the start
  std::unique_ptr<LinkRefresh> refresh_;      // outlives the engine, which reads its memory
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<CallJournal> journal_;  // null: nobody asks; of a part, that of the whole
  // Operations so far: collectives, and of each (send or recv, peer).
  struct Counts {
    uint64_t collectives = 0;
    std::map<std::pair<Operation, int>, uint64_t> pairs;
  };
  Counts called_;
  // What `auto` stands for: by operation, type, count, root, keyed, algorithm and target.
  using AutoKey =
      std::tuple<Operation, DataType, size_t, int, bool, Algorithm, std::optional<CodecTarget>>;
  std::map<AutoKey, CodecChoice> chosen_;
  Counts captured_;  // in graphs, once each
  std::map<int, std::pair<DataType, Factor>> reductions_;
  std::set<std::tuple<Operation, int, const Codec*>> logged_;
  std::unique_ptr<Hierarchy> hierarchy_;
  bool all_hand_over_ = false;
  std::string survival_policy_;  // rank 0's
  std::unique_ptr<Survival> survival_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_COMMUNICATOR_H_
