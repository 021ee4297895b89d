// SPDX-License-Identifier: Apache-2.0
#include "mpi_preload/carrier.h"

#include <array>
#include <atomic>
#include <set>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/units.h"
#include "mpi_preload/job_terms.h"

namespace thinwire {
namespace {

// The communicators with carriers, which are attributes of theirs.
struct Carried {
  std::mutex mutex;
  int key = MPI_KEYVAL_INVALID;
  std::set<MPI_Comm> comms;

  static Carried& Instance() {
    static Carried* const carried = new Carried;  // never freed: MPI may end in an exit handler
    return *carried;
  }
};

int OnDelete(MPI_Comm comm, int /*key*/, void* carrier, void* /*extra*/) {
  {
    const std::lock_guard lock(Carried::Instance().mutex);
    Carried::Instance().comms.erase(comm);
  }
  delete static_cast<Carrier*>(carrier);
  return MPI_SUCCESS;
}

// Whether the ranks of `comm` are those of MPI_COMM_WORLD, in its order.
bool IsWhole(MPI_Comm comm) {
  int inter = 0;
  int alike = MPI_UNEQUAL;
  PMPI_Comm_test_inter(comm, &inter);
  if (inter == 0) PMPI_Comm_compare(comm, MPI_COMM_WORLD, &alike);
  return alike == MPI_IDENT || alike == MPI_CONGRUENT;
}

int Raise(MPI_Comm comm, int error) {
  if (error != MPI_SUCCESS) PMPI_Comm_call_errhandler(comm, error);
  return error;
}

// MPI programs may be late to a call for as long as they like, unless the user says otherwise.
double Patience() {
  constexpr double kYear = 365.0 * 24 * 3600;
  const auto variables = Env::InEffect();
  for (size_t i = 0; variables.ok() && i < variables.value().size(); ++i) {
    const Env::Variable& variable = variables.value()[i];
    if (variable.name == "THINWIRE_TIMEOUT" && variable.set) return -1;
  }
  return kYear;
}

Status FailureOf(thinwireComm_t comm, thinwireResult_t result) {
  if (result == thinwireSuccess) return {};
  return Status(static_cast<Code>(result), thinwireGetLastError(comm));
}

}  // namespace

struct Carrier::Started {
  std::unique_ptr<CarriedCall> call;
  std::shared_ptr<MPI_Comm> comm;
  MPI_Request request = MPI_REQUEST_NULL;
  bool raised = false;
};

Carrier* Carrier::Of(MPI_Comm comm) {
  Carried& carried = Carried::Instance();
  if (comm == MPI_COMM_NULL || JobTerms::Now().own == MPI_COMM_NULL) return nullptr;
  {
    const std::lock_guard lock(carried.mutex);
    if (carried.key == MPI_KEYVAL_INVALID) {
      PMPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, OnDelete, &carried.key, nullptr);
    }
  }
  void* found = nullptr;
  int known = 0;
  if (PMPI_Comm_get_attr(comm, carried.key, &found, &known) != MPI_SUCCESS) return nullptr;
  if (known != 0) return static_cast<Carrier*>(found);
  auto carrier = IsWhole(comm) ? std::make_unique<Carrier>(comm) : nullptr;
  if (PMPI_Comm_set_attr(comm, carried.key, carrier.get()) != MPI_SUCCESS) return nullptr;
  const std::lock_guard lock(carried.mutex);
  carried.comms.insert(comm);
  return carrier.release();
}

void Carrier::OpenEarly(MPI_Comm comm) {
  if (Carrier* const carrier = Of(comm)) {
    carrier->Open();
    carrier->open_ = true;
  }
}

void Carrier::CloseAll() {
  Carried& carried = Carried::Instance();
  for (const MPI_Comm comm : std::set<MPI_Comm>(carried.comms)) {
    PMPI_Comm_delete_attr(comm, carried.key);
  }
  if (carried.key != MPI_KEYVAL_INVALID) PMPI_Comm_free_keyval(&carried.key);
}

// Here and not when it opens: collectives of `comm` are issued in the same order on all ranks.
Carrier::Carrier(MPI_Comm comm) : comm_(std::make_shared<MPI_Comm>(comm)) {
  static std::atomic<int> opened = 0;
  if (JobTerms::Now().rank == 0) {
    opening_.number = opened++;
    const thinwireResult_t made = thinwireGetUniqueId(&opening_.id);
    opening_.made = made == thinwireSuccess;
    if (opening_.made == 0) TW_LOG(kWarn, "{}", thinwireGetLastError(nullptr));
  }
  PMPI_Ibcast(&opening_, sizeof(opening_), MPI_BYTE, 0, comm, &spread_);
}

Carrier::~Carrier() {
  std::unique_lock lock(mutex_);
  while (!queue_.empty()) {
    lock.unlock();
    LetMpiProgress();
    lock.lock();
  }
  closing_ = true;
  lock.unlock();
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  PMPI_Wait(&spread_, MPI_STATUS_IGNORE);  // done, but for a first call that could not be made
  *comm_ = MPI_COMM_NULL;
  if (thinwire_ != nullptr) LogWhatWasCarried();
  (void)thinwireCommDestroy(thinwire_);
  if (below_ != MPI_COMM_NULL) PMPI_Comm_free(&below_);
}

Status Carrier::Join() {
  const JobTerms& terms = JobTerms::Now();
  if (opening_.made == 0) return SystemError("rank 0 could not make an id");
  thinwireConfig_t config = THINWIRE_CONFIG_INITIALIZER;
  config.timeoutSeconds = Patience();
  config.blocking = 0;  // so that MPI can go on meanwhile
  thinwireResult_t state =
      thinwireCommInitRank(&thinwire_, terms.ranks, opening_.id, terms.rank, &config);
  while (state == thinwireInProgress) {
    LetMpiProgress();
    const thinwireResult_t asked = thinwireCommGetAsyncError(thinwire_, &state);
    if (asked != thinwireSuccess) state = asked;
  }
  return FailureOf(thinwire_, state);
}

// Told to rank 0 and back, by messages with a tag of this communicator's own.
bool Carrier::AllJoined(bool joined) const {
  const JobTerms& terms = JobTerms::Now();
  int all = joined;
  for (int rank = 1; terms.rank == 0 && rank < terms.ranks; ++rank) {
    int other = 0;
    PMPI_Recv(&other, 1, MPI_INT, rank, opening_.number, terms.own, MPI_STATUS_IGNORE);
    all = all != 0 && other != 0;
  }
  for (int rank = 1; terms.rank == 0 && rank < terms.ranks; ++rank) {
    PMPI_Send(&all, 1, MPI_INT, rank, opening_.number, terms.own);
  }
  if (terms.rank != 0) {
    PMPI_Send(&all, 1, MPI_INT, 0, opening_.number, terms.own);
    PMPI_Recv(&all, 1, MPI_INT, 0, opening_.number, terms.own, MPI_STATUS_IGNORE);
  }
  return all != 0;
}

// Where it fails, calls go on by MPI, but on a communicator of their own: those that queue here
// come later than others that the program has made on its own since.
void Carrier::Open() {
  const JobTerms& terms = JobTerms::Now();
  PMPI_Wait(&spread_, MPI_STATUS_IGNORE);
  const Status joined = Join();
  if (AllJoined(joined.ok())) {
    TW_LOG(kInfo, "an MPI communicator of {} ranks goes over Thinwire, from {} on", terms.ranks,
           FormatBytes(terms.floor_bytes));
    return;
  }
  TW_LOG(kWarn, "an MPI communicator does not go over Thinwire: {}",
         joined.ok() ? "another rank could not join" : joined.message());
  (void)thinwireCommAbort(std::exchange(thinwire_, nullptr));
  MPI_Group all = MPI_GROUP_NULL;
  MPI_Errhandler errors = MPI_ERRHANDLER_NULL;
  PMPI_Comm_group(terms.own, &all);
  PMPI_Comm_create_group(terms.own, all, opening_.number, &below_);
  PMPI_Comm_get_errhandler(*comm_, &errors);
  PMPI_Comm_set_errhandler(below_, errors);
  PMPI_Errhandler_free(&errors);
  PMPI_Group_free(&all);
}

void Carrier::Issue(CarriedCall* call) {
  (void)(thinwire_ != nullptr ? call->IssueTo(thinwire_) : call->IssueTo(below_));
}

void Carrier::Finish(CarriedCall* call) {
  call->End();
  if (call->reason.empty()) return;
  TW_LOG(kWarn, "an MPI call that Thinwire carries: {}", call->reason);
  thinwireResult_t failed = thinwireSuccess;  // asking has the flight recorder write
  (void)thinwireCommGetAsyncError(thinwire_, &failed);
}

int Carrier::Run(CarriedCall* call) {
  {
    std::unique_lock lock(mutex_);
    if (!open_ && !thread_.joinable()) {
      Open();
      open_ = true;
    }
    while (!open_) {
      lock.unlock();
      LetMpiProgress();
      lock.lock();
    }
    Issue(call);
  }
  while (!call->Done()) LetMpiProgress();
  Finish(call);
  return Raise(*comm_, call->error);
}

int Carrier::Start(std::unique_ptr<CarriedCall> call, MPI_Request* request) {
  auto started = std::make_unique<Started>();
  started->call = std::move(call);
  started->comm = comm_;
  const int result = PMPI_Grequest_start(Query, Free, Cancel, started.get(), request);
  if (result != MPI_SUCCESS) return result;
  started->request = *request;
  {
    const std::lock_guard lock(mutex_);
    if (open_) Issue(started->call.get());
    queue_.push_back(started.release());  // Free frees it
    if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
  }
  wake_.notify_all();
  return MPI_SUCCESS;
}

void Carrier::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return;
    if (!open_) {
      lock.unlock();
      Open();
      lock.lock();
      for (Started* const waiting : queue_) Issue(waiting->call.get());
      open_ = true;
    }
    Started* const first = queue_.front();
    lock.unlock();
    Finish(first->call.get());
    PMPI_Grequest_complete(first->request);  // `first` may be gone after this
    lock.lock();
    queue_.pop_front();
  }
}

int Carrier::Query(void* started, MPI_Status* status) {
  auto* const self = static_cast<Started*>(started);
  PMPI_Status_set_elements(status, MPI_BYTE, 0);
  PMPI_Status_set_cancelled(status, 0);
  status->MPI_SOURCE = MPI_UNDEFINED;
  status->MPI_TAG = MPI_UNDEFINED;
  status->MPI_ERROR = self->call->error;
  if (std::exchange(self->raised, true)) return self->call->error;  // asked before
  return Raise(*self->comm != MPI_COMM_NULL ? *self->comm : MPI_COMM_WORLD, self->call->error);
}

int Carrier::Free(void* started) {
  delete static_cast<Started*>(started);
  return MPI_SUCCESS;
}

// A collective can't be cancelled.
int Carrier::Cancel(void* /*started*/, int /*complete*/) { return MPI_SUCCESS; }

void Carrier::LogWhatWasCarried() const {
  constexpr std::array<std::pair<thinwireOperation_t, const char*>, 4> kNames = {
      {{thinwireOpAllReduce, "all-reduce"},
       {thinwireOpReduceScatter, "reduce-scatter"},
       {thinwireOpAllGather, "all-gather"},
       {thinwireOpBroadcast, "broadcast"}}};
  for (const auto& [operation, name] : kNames) {
    thinwireStatistics_t figures;
    figures.size = sizeof(figures);
    if (thinwireCommGetStatistics(thinwire_, operation, &figures) != thinwireSuccess) continue;
    if (figures.calls == 0) continue;
    TW_LOG(kInfo, "MPI calls carried: {} of {}; sent {} as {}, codec {}, algorithm {}",
           figures.calls, name, FormatBytes(figures.rawBytes), FormatBytes(figures.wireBytes),
           figures.codec, figures.algorithm);
  }
}

}  // namespace thinwire
