// SPDX-License-Identifier: Apache-2.0
#include "comm/communicator.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <set>

#include "base/checked.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/units.h"
#include "bootstrap/launch.h"
#include "bootstrap/rendezvous.h"
#include "collective/link_probe.h"
#include "collective/link_survey.h"
#include "collective/warm_up.h"
#include "comm/hierarchy.h"
#include "comm/settings.h"
#include "comm/survival.h"
#include "transport/sealed_transport.h"
#include "transport/shaped_transport.h"

namespace thinwire {
namespace {

constexpr int kMaxRanks = 32767;

// Communicators that live, so that a process that ends without destroying them still says goodbye.
class Registry {
 public:
  static Registry& Instance() {
    static auto* registry = new Registry;  // never freed: exit handlers use it
    return *registry;
  }
  void Add(Communicator* communicator) {
    const std::lock_guard lock(mutex_);
    if (!hooked_) hooked_ = std::atexit([] { Instance().CloseAll(); }) == 0;
    live_.insert(communicator);
  }
  void Remove(Communicator* communicator) {
    const std::lock_guard lock(mutex_);
    live_.erase(communicator);
  }

 private:
  void CloseAll() {
    const std::lock_guard lock(mutex_);
    for (Communicator* communicator : live_) communicator->Leave();
    for (Communicator* communicator : live_) communicator->Close();
  }
  std::mutex mutex_;
  std::set<Communicator*> live_;
  bool hooked_ = false;
};

ShapeOptions ShapeOf(const LinkModel& links) {
  ShapeOptions shape;
  shape.ranks = links.ranks();
  for (int from = 0; from < links.ranks(); ++from) {
    for (int to = 0; to < links.ranks(); ++to) {
      const Link& link = links.at(from, to);
      shape.links.push_back({link.rate, FromSeconds(link.delay)});
    }
  }
  return shape;
}

Result<std::unique_ptr<Transport>> OpenTransport(const Env& env,
                                                 const std::optional<LinkModel>& shape) {
  const std::string name =
      env.transport == "auto" ? std::string(DefaultTransport()) : env.transport;
  TransportOptions options;
  options.interface = env.interface;
  options.modules = env.modules;
  options.mpi_piece_bytes = env.mpi_piece_bytes;
  options.host = env.host;
  options.ports = env.port_range;
  options.congestion = env.congestion;
  options.flows = env.flows;
  options.family = env.family;
  options.silence_seconds = env.silence_seconds;
  TW_ASSIGN(auto transport, MakeTransport(name, options));
  if (!shape) return transport;
  return MakeShapedTransport(std::move(transport), ShapeOf(*shape));
}

bool NeedsSend(const Call& call, int rank) {
  if (call.operation == Operation::kRecv || call.operation == Operation::kBarrier) return false;
  return call.operation != Operation::kBroadcast || rank == call.root;
}

// Names are keys too, for those who have nothing else.
uint64_t KeyOf(const Call& call) {
  if (call.key != kNoKey || call.tensor.empty()) return call.key;
  return Xxh3(std::as_bytes(std::span(call.tensor)));
}

bool NeedsRecv(const Call& call, int rank) {
  if (call.operation == Operation::kSend || call.operation == Operation::kBarrier) return false;
  return call.operation != Operation::kReduce || rank == call.root;
}

}  // namespace

Result<UniqueId> Communicator::NewId(const Env& env) {
  if (!env.root.empty()) return RootId(env);
  return RendezvousServer::Start({.interface = env.interface,
                                  .host = env.host,
                                  .port = env.port,
                                  .ports = env.port_range,
                                  .family = env.family});
}

Result<std::shared_ptr<Communicator>> Communicator::Create(const UniqueId& id, int rank, int ranks,
                                                           const Env& env, Heritage heritage) {
  TW_ASSIGN(auto communicator, New(rank, ranks, env, std::move(heritage)));
  TW_TRY(communicator->Join(id));
  return communicator;
}

Result<std::shared_ptr<Communicator>> Communicator::New(int rank, int ranks, const Env& env,
                                                        Heritage heritage) {
  if (ranks < 1 || ranks > kMaxRanks) {
    return InvalidArgument("nranks is {}; it must be from 1 to {}", ranks, kMaxRanks);
  }
  if (rank < 0 || rank >= ranks) {
    return InvalidArgument("rank is {}; it must be from 0 to {}", rank, ranks - 1);
  }
  Communicator* const whole = heritage.whole;
  auto communicator =
      std::shared_ptr<Communicator>(new Communicator(rank, ranks, env, std::move(heritage)));
  TW_TRY(communicator->OpenDevices());
  const auto& inherited = communicator->heritage_.ledger;
  communicator->ledger_ = whole != nullptr       ? whole->ledger_
                          : inherited != nullptr ? inherited
                                                 : std::make_shared<Ledger>();
  if (whole != nullptr) communicator->store_ = whole->store_;
  TW_ASSIGN(communicator->policy_, Policy::Parse(env.policy));
  communicator->nccl_algorithms_ = NcclAlgorithms(env.nccl_algorithms);
  return communicator;
}

Status Communicator::Join(const UniqueId& id) {
  TW_TRY(Connect(id));
  Registry::Instance().Add(this);
  if (!env_.sites.empty()) TW_TRY(FormSites());
  TW_ASSIGN(survival_, Survival::Make(this, survival_policy_));
  return {};
}

Communicator::Communicator(int rank, int ranks, Env env, Heritage heritage)
    : rank_(rank), ranks_(ranks), env_(std::move(env)), heritage_(std::move(heritage)) {}

Communicator::~Communicator() { Registry::Instance().Remove(this); }

Status Communicator::FormSites() {
  TW_ASSIGN(const Sites sites, Sites::Parse(env_.sites, ranks_));
  if (cuda_ == nullptr) {
    return InvalidUsage("sites are given (THINWIRE_SITES), but there is no CUDA device");
  }
  // Links are given for all ranks, and known for those across sites only where all are alike.
  Env across = env_;
  if (across.link.starts_with("file=")) across.link.clear();
  TW_ASSIGN(hierarchy_, Hierarchy::Make(this, sites, across, cuda_.get()));
  return {};
}

Status Communicator::error() const {
  if (life_.load(std::memory_order_acquire) == Life::kRevoked) return {};
  return survival_ != nullptr ? survival_->error() : own_error();
}

Status Communicator::own_error() const {
  const Status own = engine_->error();
  if (!own.ok()) recorder_->OnFailure();
  return own.ok() && hierarchy_ != nullptr ? hierarchy_->between()->error() : own;
}

int Communicator::AddReduction(DataType dtype, const Factor& factor) {
  int number = kReductions;
  while (reductions_.contains(number)) ++number;
  reductions_.emplace(number, std::pair(dtype, factor));
  return number;
}

Result<Factor> Communicator::FindReduction(int number, DataType dtype) const {
  const auto found = reductions_.find(number);
  if (found == reductions_.end()) return InvalidArgument("{} is no reduction", number);
  const auto& [own, factor] = found->second;
  if (own == dtype) return factor;
  return InvalidArgument("reduction {} was made for {} elements, not {}", number, NameOf(own),
                         NameOf(dtype));
}

Status Communicator::RemoveReduction(int number) {
  if (reductions_.erase(number) > 0) return {};
  return InvalidArgument("{} is no reduction that was made on this communicator", number);
}

ReplicaStore& Communicator::store() {
  const auto heir = survival_ == nullptr ? nullptr : survival_->heir();
  return heir == nullptr ? *store_ : heir->store();
}

void Communicator::Abort(const std::string& why) {
  if (survival_ != nullptr) survival_->Abort(why);
  engine_->Abort(why);
  if (hierarchy_ != nullptr) hierarchy_->Abort(why);
}

Status Communicator::Revoke() {
  Life open = Life::kOpen;
  if (!life_.compare_exchange_strong(open, Life::kRevoked)) {
    return InvalidArgument("the communicator was {} before",
                           open == Life::kRevoked ? "revoked" : "finalized");
  }
  Abort("the communicator was revoked");
  return {};
}

bool Communicator::may_hand_over() const {
  const LinkModel& links = first_links();
  if (!all_hand_over_ || survival_ != nullptr || !links.known()) return false;
  for (int from = 0; from < ranks_; ++from) {
    for (int to = 0; to < ranks_; ++to) {
      if (from != to && links.at(from, to).delay >= kSiteDelay) return false;
    }
  }
  return true;
}

Status Communicator::Finalize() {
  TW_TRY(CheckOpen());
  Close();
  return {};
}

void Communicator::Close() {
  const bool closed = life_.exchange(Life::kClosed) == Life::kClosed;
  if (hierarchy_ != nullptr) hierarchy_->between()->Close();
  if (survival_ != nullptr) survival_->Close();
  engine_->Close();
  if (heritage_.whole == nullptr && !closed) {
    if (journal_ != nullptr) journal_->Close();
    TW_LOG(kInfo, "rank {}: {}", rank_, SummaryOf(*ledger_));
  }
  RendezvousServer::FreeEnded();  // such as that of this communicator, from which all have gone
}

Status Communicator::OpenDevices() {
  host_ = MakeHostDevice(env_.threads);
  if (env_.device != "auto" && env_.device != "host" && env_.device != "cuda") {
    return InvalidArgument("THINWIRE_DEVICE is '{}'; it must be auto, host or cuda", env_.device);
  }
  if (env_.device != "host") {
    Result<std::unique_ptr<Device>> cuda = MakeCudaDevice({.device = env_.cuda_device,
                                                           .wait = env_.cuda_wait,
                                                           .modules = env_.modules,
                                                           .nccl = env_.nccl});
    if (cuda.ok()) {
      cuda_ = std::move(cuda).value();
    } else if (env_.device == "cuda") {
      return cuda.status().WithContext("THINWIRE_DEVICE is cuda");
    } else {
      TW_LOG(kInfo, "no CUDA: {}", cuda.status().message());
    }
  }
  store_ = std::make_shared<ReplicaStore>(
      ReplicaOptions{.limit_bytes = env_.state_bytes,
                     .folder = env_.state_folder,
                     .device = cuda_ != nullptr ? cuda_.get() : host_.get()});
  return {};
}

Status Communicator::Connect(const UniqueId& id) {
  const TimePoint deadline = Now() + FromSeconds(env_.connect_timeout_seconds);
  if (!heritage_.shape && !env_.shape.empty()) {
    TW_ASSIGN(heritage_.shape, LinkModel::Parse(env_.shape, ranks_));
  }
  TW_ASSIGN(auto bare, OpenTransport(env_, heritage_.shape));
  TW_ASSIGN(const UniqueIdFields fields, ParseUniqueId(id));
  TW_ASSIGN(auto transport, MakeSealedTransport(std::move(bare), {.secret = fields.secret,
                                                                  .encrypt = env_.encrypt}));
  SharedSettings settings;
  TW_ASSIGN(settings, SharedSettings::FromEnv(env_, transport->name()));
  TW_ASSIGN(settings.address, transport->Address());
  TW_ASSIGN(auto places, MeetingPlaces::Open(id, rank_,
                                             {.interface = env_.interface,
                                              .host = env_.host,
                                              .ports = env_.port_range,
                                              .family = env_.family}));
  places_ = std::make_unique<MeetingPlaces>(std::move(places));
  settings.meeting_place = places_->own();
  // Ranks with devices and ranks without would wait for each other in the other library.
  settings.hand_over = !env_.hand_over || !policy_.exact() ? 0 : cuda_ == nullptr ? 1 : 2;
  const uint64_t hand_over = settings.hand_over;

  if (rank_ == 0) TW_TRY(GatherAtRoot(id, env_));
  // Two rounds: everyone's address and settings; then that everyone is connected, so that nobody
  // starts while another has failed.
  TW_ASSIGN(auto rendezvous, Rendezvous::Join(id, rank_, ranks_, deadline));
  TW_ASSIGN(const auto blobs, rendezvous->Exchange(settings.Pack(), deadline));
  std::vector<std::string> addresses;
  std::vector<std::string> meeting_places;
  all_hand_over_ = hand_over != 0;
  for (const std::string& blob : blobs) {
    TW_ASSIGN(const auto theirs, SharedSettings::Unpack(blob));
    all_hand_over_ = all_hand_over_ && theirs.hand_over == hand_over;
    if (addresses.empty()) settings = theirs;  // rank 0's settings hold for all
    addresses.push_back(theirs.address);
    meeting_places.push_back(theirs.meeting_place);
  }
  TW_TRY(places_->Learn(meeting_places));
  survival_policy_ = settings.survival;
  const Status connected = transport->Connect(rank_, addresses, deadline);
  TW_ASSIGN(const auto outcomes, rendezvous->Exchange(connected.message(), deadline));
  TW_TRY(connected);
  for (int rank = 0; rank < ranks_; ++rank) {
    const std::string& outcome = outcomes[static_cast<size_t>(rank)];
    if (!outcome.empty()) return RemoteError("rank {} could not connect: {}", rank, outcome);
  }

  EngineOptions options;
  options.rank = rank_;
  options.ranks = ranks_;
  options.communicator = CommunicatorHash(id);
  options.epoch = settings.epoch;
  options.timeout_seconds = env_.timeout_seconds;
  options.silence_seconds = env_.silence_seconds;
  options.early_bytes = env_.early_bytes;
  options.ledger = ledger_;
  recorder_ = std::make_unique<FlightRecorder>(
      FlightRecorder::Options{.rank = rank_,
                              .ranks = ranks_,
                              .communicator = options.communicator,
                              .calls = env_.flight_calls,
                              .timeout_seconds = env_.timeout_seconds,
                              .file = env_.flight_file});
  journal_ = heritage_.whole != nullptr
                 ? heritage_.whole->journal_
                 : CallJournal::Open(env_, {.writer = {rank_, ranks_, options.communicator},
                                            .policy = env_.policy,
                                            .transport = std::string(transport->name()),
                                            .threads = env_.threads});
  if (journal_ != nullptr) options.ended = journal_->queue();
  std::vector<Message> early;
  TW_ASSIGN(LinkModel links, FindLinks(settings.link, options, transport.get(), &early));
  const size_t segment_bytes =
      settings.segment_bytes > 0 ? settings.segment_bytes : SegmentBytesFor(links);
  TW_LOG(kInfo, "rank {} of {}: transport {}, links {}, segments of {}, policy '{}'", rank_, ranks_,
         transport->name(), links.known() ? settings.link : "unknown", FormatBytes(segment_bytes),
         env_.policy);
  planner_ = std::make_unique<Planner>(links, CostModel{}, segment_bytes);
  refresh_ = std::make_unique<LinkRefresh>(rank_, links);
  engine_ = std::make_unique<Engine>(options, std::move(links), std::move(transport), host_.get(),
                                     std::move(early));
  if (journal_ != nullptr && heritage_.whole == nullptr) {
    journal_->Start(planner_->links().nic(rank_), [this] { return engine_->LearnedLinks(); });
  }
  return {};
}

Result<LinkModel> Communicator::FindLinks(const std::string& text, const EngineOptions& options,
                                          Transport* transport, std::vector<Message>* early) {
  const ProbeIdentity self = {
      .rank = rank_, .ranks = ranks_, .communicator = options.communicator, .epoch = options.epoch};
  const TimePoint start = Now();
  LinkModel links(ranks_);
  if (heritage_.links) {
    links = *heritage_.links;
  } else if (text == kMeasureLinks) {
    ProbeOptions probe;
    probe.self = self;
    probe.deadline = start + FromSeconds(probe.budget_seconds + env_.silence_seconds);
    TW_ASSIGN(links, ProbeLinks(probe, transport, early));
  } else {
    TW_ASSIGN(links, LinkModel::Parse(text, ranks_));
  }
  const TimePoint found = Now();
  WarmUpOptions warm_up;
  warm_up.self = self;
  // Peers that are done already hear nothing meanwhile.
  warm_up.budget_seconds = std::min(warm_up.budget_seconds, env_.silence_seconds / 2);
  warm_up.deadline = found + FromSeconds(warm_up.budget_seconds + env_.silence_seconds);
  TW_TRY(WarmUp(warm_up, links, transport, early));
  links_since_ = Now();
  TW_LOG(kInfo, "rank {}: found the links in {}, warmed up the flows in {}", rank_,
         FormatSeconds(ToSeconds(found - start)), FormatSeconds(ToSeconds(links_since_ - found)));
  return links;
}

Status Communicator::CheckOpen() const {
  switch (life_.load(std::memory_order_acquire)) {
    case Life::kOpen:
      return engine_->error();
    case Life::kRevoked:
      return InvalidUsage("the communicator was revoked; split, shrink or destroy it");
    case Life::kClosed:
      break;
  }
  return InvalidUsage("the communicator was finalized; destroy it");
}

Status Communicator::CheckArguments(const Call& call) const {
  if (call.root < 0 || call.root >= ranks_) {
    return InvalidArgument("{}: {} is {}; it must be from 0 to {}", NameOf(call.operation),
                           IsPointToPoint(call.operation) ? "peer" : "root", call.root, ranks_ - 1);
  }
  if (IsPointToPoint(call.operation) && call.root == rank_ && !call.in_group) {
    return InvalidUsage("{} to oneself (rank {}) can't be met outside a group",
                        NameOf(call.operation), rank_);
  }
  const auto bytes = CheckedMultiply(call.count, SizeOf(call.dtype));
  const auto all = bytes ? CheckedMultiply(*bytes, static_cast<size_t>(ranks_)) : std::nullopt;
  if (!all || *all > static_cast<size_t>(std::numeric_limits<std::ptrdiff_t>::max())) {
    return InvalidArgument("{}: a count of {} {} is more than memory can hold",
                           NameOf(call.operation), call.count, NameOf(call.dtype));
  }
  if (call.count == 0) return {};
  if (call.send == nullptr && NeedsSend(call, rank_)) {
    return InvalidArgument("{}: the send buffer is NULL", NameOf(call.operation));
  }
  if (call.recv == nullptr && NeedsRecv(call, rank_)) {
    return InvalidArgument("{}: the receive buffer is NULL", NameOf(call.operation));
  }
  if (call.operation == Operation::kAllToAll) {
    const auto send = reinterpret_cast<uintptr_t>(call.send);
    const auto recv = reinterpret_cast<uintptr_t>(call.recv);
    if (send < recv + *all && recv < send + *all) {
      return InvalidArgument("{}: send and receive buffers overlap; it can't be done in place",
                             NameOf(call.operation));
    }
  }
  return {};
}

void Communicator::Resolve(const Call& call, Policy::Choice* choice) {
  constexpr size_t kRemembered = 512;
  const bool keyed = KeyOf(call) != kNoKey;
  const AutoKey key(call.operation, call.dtype, call.count, call.root, keyed, choice->algorithm,
                    choice->target);
  auto found = chosen_.find(key);
  if (found == chosen_.end()) {
    if (chosen_.size() >= kRemembered) chosen_.clear();
    CodecChoice fresh = ChooseCodec(*choice->target, RequestOf(call, &RawCodec()),
                                    choice->algorithm, keyed, rank_, *planner_);
    TW_LOG(kInfo, "{} of {} {}: {} is {}", NameOf(call.operation), call.count, NameOf(call.dtype),
           FormatTarget(*choice->target), fresh.reason);
    found = chosen_.emplace(key, std::move(fresh)).first;
  }
  choice->codec = found->second.codec;
  if (found->second.algorithm != Algorithm::kAuto) choice->algorithm = found->second.algorithm;
}

PlanRequest Communicator::RequestOf(const Call& call, const Codec* codec) const {
  PlanRequest request;
  request.operation = call.operation;
  request.dtype = call.dtype;
  request.reduction = call.reduction;
  request.count = call.count;
  request.root = call.root;
  request.ranks = ranks_;
  request.codec = codec;
  request.absent = call.absent;
  return request;
}

Policy::Choice Communicator::ChoiceOf(const Policy& policy, const Call& call) {
  Policy::Choice choice = policy.For(call.operation, call.dtype, call.reduction,
                                     call.count * SizeOf(call.dtype), call.tensor);
  if (choice.target && ranks_ > 1 && call.count > 0) Resolve(call, &choice);
  if (choice.codec->sums_exactly() && ranks_ > kMaxExactRanks) {
    choice.exact_because = fmt::format("sums in {} are exact up to {} ranks only",
                                       choice.codec->spec(), kMaxExactRanks);
    choice.codec = &RawCodec();
  }
  if (choice.codec->sums_exactly() && call.factor) {
    choice.exact_because =
        fmt::format("{} agrees on steps of what is not multiplied yet", choice.codec->spec());
    choice.codec = &RawCodec();
  }
  if (survival_ != nullptr && survival_->may_miss_ranks() &&
      (choice.codec->feedback() != Feedback::kNone || choice.codec->sums_exactly())) {
    choice.exact_because =
        fmt::format("{} needs what every rank brings, and some may be late", choice.codec->spec());
    choice.codec = &RawCodec();
  }
  if (choice.codec->feedback() != Feedback::kNone && KeyOf(call) == kNoKey) {
    choice.exact_because = fmt::format(
        "{} keeps state, and the call says neither key nor tensor name to keep it under",
        choice.codec->spec());
    choice.codec = &RawCodec();
  }
  if (choice.algorithm == Algorithm::kAuto) {
    choice.algorithm = nccl_algorithms_.For(call.operation, *choice.codec);
  }
  return choice;
}

Result<Policy::Choice> Communicator::ChoiceFor(const Call& call) {
  if (call.operation == Operation::kBarrier) return Policy::Choice{};
  if (call.policy == nullptr) {
    Policy::Choice choice = ChoiceOf(policy_, call);
    if (!choice.exact_because.empty()) {
      TW_LOG(kInfo, "{} stays exact: {}", NameOf(call.operation), choice.exact_because);
    }
    return choice;
  }
  TW_ASSIGN(const Policy policy, Policy::Parse(call.policy));
  Policy::Choice choice = ChoiceOf(policy, call);
  if (!choice.exact_because.empty()) {
    return InvalidArgument("{}: the call's policy '{}' can't be honoured: {}",
                           NameOf(call.operation), call.policy, choice.exact_because);
  }
  return choice;
}

uint64_t Communicator::NextSequence(const PlanRequest& request, bool captured) {
  Counts& counts = captured ? captured_ : called_;
  uint64_t& count = IsPointToPoint(request.operation)
                        ? counts.pairs[{request.operation, request.root}]
                        : counts.collectives;
  const uint64_t number = count++;
  return captured ? kCapturedSequence | number << kReplayBits : number;
}

Status Communicator::CheckSurvivable(const Call& call) const {
  TW_TRY(CheckArguments(call));
  TW_ASSIGN(const Device* const device, DeviceOf(call));
  if (device == nullptr && call.stream == nullptr) return survival_->Check(call);
  return InvalidUsage(
      "{}: a survival policy (THINWIRE_SURVIVAL) is for host memory without streams",
      NameOf(call.operation));
}

Result<Device*> Communicator::DeviceOf(const Call& call) const {
  if (cuda_ == nullptr) {
    if (call.stream == nullptr) return nullptr;
    return InvalidArgument("{}: a stream was given, but this communicator has no CUDA device",
                           NameOf(call.operation));
  }
  if (call.stream == nullptr && !cuda_->Owns(call.send) && !cuda_->Owns(call.recv)) return nullptr;
  const auto check = [&](const char* name, const void* memory) -> Status {
    const Status fits = cuda_->CheckTensor(memory);
    return fits.ok()
               ? fits
               : fits.WithContext(fmt::format("{}: the {} buffer", NameOf(call.operation), name));
  };
  if (call.count > 0 && NeedsSend(call, rank_)) TW_TRY(check("send", call.send));
  if (call.count > 0 && NeedsRecv(call, rank_)) TW_TRY(check("receive", call.recv));
  return cuda_.get();
}

Result<Collective> Communicator::Prepare(const Call& call) {
  TW_TRY(CheckOpen());
  TW_TRY(CheckArguments(call));
  const bool in_common = !IsPointToPoint(call.operation);
  if (in_common) TW_TRY(RefreshLinks());
  TW_ASSIGN(const Policy::Choice choice, ChoiceFor(call));
  const PlanRequest request = RequestOf(call, choice.codec);
  const Algorithm algorithm = Planner::Asked(call.operation, choice.algorithm);
  Collective collective;
  TW_ASSIGN(collective.plan, planner_->PlanFor(request, algorithm, rank_));
  if (algorithm == Algorithm::kAuto && request.absent.empty()) LogChoice(request);
  collective.input = call.send;
  collective.factor = call.factor;
  collective.output = call.recv;
  TW_ASSIGN(collective.device, DeviceOf(call));
  const bool on_host = collective.device == nullptr;
  if (!on_host) TW_TRY(collective.device->Reserve(collective.plan->SumBytes()));
  collective.measure_error =
      env_.measure_error && IsFloating(call.dtype) && on_host && !call.factor;
  if (HasStateHead(*request.codec)) collective.key = KeyOf(call);
  if (request.codec->feedback() != Feedback::kNone) {
    collective.state = std::make_shared<HeldState>(collective.plan, collective.key, store_.get());
    // On a stream, the call before may still be at work on it.
    if (on_host) TW_TRY(collective.state->Begin());
  }
  if (request.codec->sums_exactly() && Reduces(call.operation) && ranks_ > 1 && call.count > 0) {
    Device* const device = on_host ? host_.get() : collective.device;
    collective.steps = std::make_shared<AgreedSteps>(*collective.plan, device);
    TW_ASSIGN(collective.agreement, AgreementOn(collective));
  }
  if (journal_ != nullptr) {
    collective.note = journal_->NoteOf(collective.plan, choice.exact_because, *planner_);
  }
  if (in_common) {
    collective.links = adopted_;
    refresh_->Count();
  }
  return collective;
}

void Communicator::LogChoice(const PlanRequest& request) {
  const size_t bytes = request.count * SizeOf(request.dtype);
  if (!logged_.insert({request.operation, std::bit_width(bytes), request.codec}).second) return;
  const auto choice = planner_->Explain(request);
  if (choice->ranked.empty()) return;
  TW_LOG_OF(kTuning, kInfo, "rank {}: {} of {} and about as large in {}: {}", rank_,
            NameOf(request.operation), FormatBytes(bytes), request.codec->spec(), choice->Reason());
}

Status Communicator::RefreshLinks() {
  if (!refresh_->due()) return {};
  TW_ASSIGN(std::optional<LinkModel> fresh, refresh_->Take(planner_->links()));
  if (fresh) {
    TW_LOG(kInfo, "rank {}: plans by the links as learned from traffic from now on", rank_);
    adopted_ = std::make_shared<const LinkModel>(*fresh);
    planner_->Adopt(*std::move(fresh));
    chosen_.clear();
    links_since_ = Now();
  }
  TW_ASSIGN(auto plan, planner_->PlanFor(refresh_->request(), Algorithm::kAuto, rank_));
  std::vector<Collective> gathering;
  gathering.push_back(refresh_->Start(std::move(plan), engine_->LearnedLinks()));
  refresh_->Started(engine_->Submit(std::move(gathering)).front());
  return {};
}

Result<std::shared_ptr<Collective>> Communicator::AgreementOn(const Collective& whole) {
  PlanRequest request;
  request.operation = Operation::kAllReduce;
  request.dtype = DataType::kBfloat16;
  request.reduction = Reduction::kMax;
  request.count = whole.steps->size();
  request.ranks = ranks_;
  auto agreement = std::make_shared<Collective>();
  TW_ASSIGN(agreement->plan, planner_->PlanFor(request, Algorithm::kAuto, rank_));
  agreement->input = agreement->output = whole.steps->values();
  agreement->device = whole.device;
  return agreement;
}

double Communicator::Predict(const std::vector<const Collective*>& collectives) {
  double in_turn = 0;   // collectives
  double messages = 0;  // sends and receives: all at once, through one uplink and downlink
  double sent = 0;
  double received = 0;
  for (const Collective* collective : collectives) {
    const PlanRequest& request = collective->plan->request;
    if (!IsPointToPoint(request.operation)) {
      const auto choice = planner_->Explain(request);
      if (!choice->ranked.empty()) in_turn += choice->best().seconds;
      continue;
    }
    if (request.root == rank_) continue;
    const bool sends = request.operation == Operation::kSend;
    const Link& link = sends ? links().at(rank_, request.root) : links().at(request.root, rank_);
    const auto bytes = static_cast<double>(
        collective->plan->PayloadBytes(sends ? Verb::kSend : Verb::kReceive, request.root));
    (sends ? sent : received) += bytes;
    messages = std::max(messages, link.delay);
  }
  const auto through = [](double bytes, double rate) {
    return rate > 0 ? bytes / (rate * kWireEfficiency) : 0;
  };
  messages +=
      std::max(through(sent, links().uplink(rank_)), through(received, links().downlink(rank_)));
  return in_turn + messages;
}

std::vector<Pending> Communicator::Submit(const std::shared_ptr<Communicator>& self,
                                          std::vector<Collective> collectives) {
  for (Collective& collective : collectives) {
    const bool captured = collective.gate != nullptr && collective.gate->repeats();
    if (collective.agreement != nullptr) {
      auto agreement = std::make_shared<Collective>(*collective.agreement);
      agreement->sequence = NextSequence(agreement->plan->request, captured);
      collective.agreement = std::move(agreement);
    }
    collective.sequence = NextSequence(collective.plan->request, captured);
  }
  std::vector<Pending> pending;
  for (auto& completion : engine_->Submit(collectives)) {
    recorder_->Add(collectives[pending.size()], completion);
    pending.push_back({self, std::move(completion)});
  }
  return pending;
}

Status Communicator::WriteReport(const std::string& path) const {
  if (journal_ != nullptr) return ReplaceFile(path, journal_->Report());
  return ReplaceFile(path, fmt::format("{}\nSingle calls, and what bounds them, are not here: set "
                                       "THINWIRE_REPORT_FILE before the communicator is made.\n",
                                       SummaryOf(*ledger_)));
}

void Communicator::Leave() {
  if (engine_->busy()) engine_->Abort("the process ended without destroying its communicator");
  engine_->StartClose();
}

}  // namespace thinwire
