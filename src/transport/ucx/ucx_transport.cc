// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/ucx_transport.h"

#include <poll.h>
#include <ucp/api/ucp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <iterator>

#include "base/checked.h"
#include "base/log.h"
#include "base/units.h"
#include "transport/address.h"
#include "transport/buffers.h"
#include "transport/handshake.h"
#include "transport/ucx/ucx_configuration.h"

namespace thinwire {
namespace {

constexpr std::string_view kName = "ucx";
constexpr unsigned kActiveMessage = 0;  // the one id of active messages in use

using Kind = MessageKind;

// Travels as the header of every active message. Fields are little endian.
struct Header {
  uint32_t magic;
  Kind kind;
  uint32_t source;
  uint32_t check;
};

Header MakeHeader(Kind kind, uint32_t source) {
  constexpr uint32_t kMagic = 0x31585754;  // "TWX1"
  return {kMagic, kind, source, ~(kMagic ^ source ^ (static_cast<uint32_t>(kind) << 24))};
}

// The worker, shared with received messages, which hold its buffers.
struct Worker {
  ucp_context_h context = nullptr;
  ucp_worker_h worker = nullptr;
  size_t messages = 0;  // received and not destroyed yet

  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    if (worker != nullptr) ucp_worker_destroy(worker);
    if (context != nullptr) ucp_cleanup(context);
  }
};

// A message in UCX's own memory. Holds the worker, so that one which outlives the transport against
// the rules delays the release of the worker and does no other harm.
class UcxBuffer final : public Message::Buffer {
 public:
  UcxBuffer(std::shared_ptr<Worker> worker, void* data, size_t size)
      : worker_(std::move(worker)), data_(data), size_(size) {
    ++worker_->messages;
  }
  ~UcxBuffer() override {
    --worker_->messages;
    ucp_am_data_release(worker_->worker, data_);
  }
  std::span<std::byte> bytes() override { return {static_cast<std::byte*>(data_), size_}; }

 private:
  const std::shared_ptr<Worker> worker_;
  void* const data_;
  const size_t size_;
};

class UcxTransport final : public Transport {
 public:
  UcxTransport() = default;
  ~UcxTransport() override;
  Status Open(const TransportOptions& options);

  std::string name() const override { return std::string(kName); }
  Result<std::string> Address() override;
  Status Connect(int rank, std::span<const std::string> addresses, TimePoint deadline) override;
  Status Send(int peer, std::span<const std::byte> bytes, Request* request) override;
  bool Poll(std::vector<Message>* arrived) override;
  Status PeerStatus(int peer) const override;
  void Wait(TimePoint deadline) override;
  void Wake() override { ucp_worker_signal(worker_->worker); }
  void Close(TimePoint deadline) override;

 private:
  // The state of the connection to one rank.
  struct Peer {
    int rank = -1;
    ucp_ep_h endpoint = nullptr;  // null: oneself, or closed
    bool broken = false;          // UCX has reported the endpoint's failure
    Handshake handshake;
    Request answer;  // the sending of our answer to its farewell
    Status status;
  };

  static ucs_status_t OnMessage(void* self, const void* header, size_t header_length, void* data,
                                size_t length, const ucp_am_recv_param_t* param);
  static void OnEndpointError(void* peer, ucp_ep_h, ucs_status_t status);
  static void OnSent(void* handle, ucs_status_t status, void* request);
  static void Fail(Peer* peer, Status status);

  Peer* SourceOf(const void* header, size_t header_length, Kind* kind);
  void OnControl(Kind kind, Peer* peer);
  Status OpenEndpoint(std::string_view address, Peer* peer);
  Status Post(Peer* peer, Kind kind, std::span<const std::byte> bytes, Request* request);
  void PostControl(Peer* peer, Kind kind, Request* request = nullptr);
  void WaitForEvent(TimePoint deadline);
  template <typename Done>
  bool ProgressUntil(TimePoint deadline, Done done);
  Status AwaitWelcome(TimePoint deadline);
  void CloseEndpoints();

  std::shared_ptr<Worker> worker_;
  int efd_ = -1;  // becomes readable when the worker has something to do; UCX's own
  int rank_ = -1;
  std::vector<Peer> peers_;                    // sized once: UCX holds pointers into it
  std::array<Header, kMessageKinds> headers_;  // by kind; UCX reads them until a send is done
  std::vector<Message> arrived_;               // received and not yet handed out by Poll
  bool closed_ = false;
};

UcxTransport::~UcxTransport() {
  if (worker_ == nullptr) return;
  if (!closed_) Close(Now());
  arrived_.clear();
  if (worker_->messages > 0) {
    TW_LOG(kWarn, "{} received messages outlive their transport: destroy them first",
           worker_->messages);
  }
}

Status UcxTransport::Open(const TransportOptions& options) {
  worker_ = std::make_shared<Worker>();
  TW_ASSIGN(worker_->context, MakeUcxContext(options.interface));
  ucp_worker_params_t params = {};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  params.thread_mode = UCS_THREAD_MODE_SERIALIZED;
  ucs_status_t status = ucp_worker_create(worker_->context, &params, &worker_->worker);
  if (status != UCS_OK) return UcxError(status, "ucp_worker_create");
  status = ucp_worker_get_efd(worker_->worker, &efd_);
  if (status != UCS_OK) return UcxError(status, "ucp_worker_get_efd");
  ucp_am_handler_param_t handler = {};
  handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB |
                       UCP_AM_HANDLER_PARAM_FIELD_ARG;
  handler.id = kActiveMessage;
  handler.cb = OnMessage;
  handler.arg = this;
  status = ucp_worker_set_am_recv_handler(worker_->worker, &handler);
  if (status != UCS_OK) return UcxError(status, "ucp_worker_set_am_recv_handler");
  return {};
}

Result<std::string> UcxTransport::Address() {
  ucp_address_t* address = nullptr;
  size_t length = 0;
  const ucs_status_t status = ucp_worker_get_address(worker_->worker, &address, &length);
  if (status != UCS_OK) return UcxError(status, "ucp_worker_get_address");
  std::string packed = PackAddress(kName, {reinterpret_cast<const char*>(address), length});
  ucp_worker_release_address(worker_->worker, address);
  return packed;
}

// --- Connect ---

Status UcxTransport::Connect(int rank, std::span<const std::string> addresses, TimePoint deadline) {
  TW_TRY(CheckRank(rank, addresses.size()));
  if (!peers_.empty()) return InvalidUsage("Connect was called before");
  rank_ = rank;
  for (size_t kind = 0; kind < kMessageKinds; ++kind) {
    headers_[kind] = MakeHeader(static_cast<Kind>(kind), static_cast<uint32_t>(rank));
  }
  peers_.resize(addresses.size());
  for (size_t r = 0; r < peers_.size(); ++r) {
    peers_[r].rank = static_cast<int>(r);
    if (peers_[r].rank == rank) continue;
    TW_ASSIGN(const std::string_view body, UnpackAddress(kName, addresses[r], peers_[r].rank));
    TW_TRY(OpenEndpoint(body, &peers_[r]));
  }
  for (Peer& peer : peers_) PostControl(&peer, Kind::kHello);
  return AwaitWelcome(deadline);
}

Status UcxTransport::OpenEndpoint(std::string_view address, Peer* peer) {
  ucp_ep_params_t params = {};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLER |
                      UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
  params.address = reinterpret_cast<const ucp_address_t*>(address.data());
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = OnEndpointError;
  params.err_handler.arg = peer;
  const ucs_status_t status = ucp_ep_create(worker_->worker, &params, &peer->endpoint);
  if (status == UCS_OK) return {};
  peer->endpoint = nullptr;
  return UcxError(status, fmt::format("rank {}: no network in common with it", peer->rank));
}

Status UcxTransport::AwaitWelcome(TimePoint deadline) {
  const auto open = [](const Peer& p) { return p.endpoint == nullptr || p.handshake.open(); };
  ProgressUntil(deadline, [&] {
    return std::all_of(peers_.begin(), peers_.end(), open) ||
           std::any_of(peers_.begin(), peers_.end(),
                       [&](const Peer& p) { return !open(p) && !p.status.ok(); });
  });
  std::vector<int> missing;
  for (const Peer& peer : peers_) {
    if (open(peer)) continue;
    if (!peer.status.ok()) return peer.status.WithContext("connect");
    missing.push_back(peer.rank);
  }
  if (missing.empty()) return {};
  return TimeoutError("no answer in time from rank {}: is it running, and reachable from here?",
                      fmt::join(missing, ", "));
}

// --- Sending ---

Status UcxTransport::Send(int peer, std::span<const std::byte> bytes, Request* request) {
  request->state = Request::State::kFailed;
  TW_TRY(CheckPeer(peer, rank_, peers_.size()));
  Peer& to = peers_[static_cast<size_t>(peer)];
  TW_TRY(to.status);
  return Post(&to, Kind::kData, bytes, request);
}

Status UcxTransport::Post(Peer* peer, Kind kind, std::span<const std::byte> bytes,
                          Request* request) {
  ucp_request_param_t param = {};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
                       UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_MEMORY_TYPE;
  param.flags = UCP_AM_SEND_FLAG_EAGER;
  param.cb.send = OnSent;
  param.user_data = request;
  param.memory_type = UCS_MEMORY_TYPE_HOST;
  const Header& header = headers_[static_cast<size_t>(kind)];
  const ucs_status_ptr_t sent = ucp_am_send_nbx(peer->endpoint, kActiveMessage, &header,
                                                sizeof(header), bytes.data(), bytes.size(), &param);
  if (UCS_PTR_IS_ERR(sent)) {
    Fail(peer, RemoteError("rank {} can't be sent to: {}", peer->rank,
                           ucs_status_string(UCS_PTR_STATUS(sent))));
    return peer->status;
  }
  if (request != nullptr) {
    request->state = sent == nullptr ? Request::State::kDone : Request::State::kPending;
  }
  return {};
}

// A peer that can't be told is recorded as failed by Post.
void UcxTransport::PostControl(Peer* peer, Kind kind, Request* request) {
  if (peer->endpoint != nullptr && !peer->broken) (void)Post(peer, kind, {}, request);
}

void UcxTransport::OnSent(void* handle, ucs_status_t status, void* request) {
  if (request != nullptr) {
    static_cast<Request*>(request)->state =
        status == UCS_OK ? Request::State::kDone : Request::State::kFailed;
  }
  ucp_request_free(handle);
}

// --- Receiving ---

// Called by UCX from within ucp_worker_progress.
ucs_status_t UcxTransport::OnMessage(void* self, const void* header, size_t header_length,
                                     void* data, size_t length, const ucp_am_recv_param_t* param) {
  auto* const transport = static_cast<UcxTransport*>(self);
  Kind kind;
  Peer* const source = transport->SourceOf(header, header_length, &kind);
  if (source == nullptr) {
    TW_LOG(kWarn, "a message of {} with an invalid header is dropped", FormatBytes(length));
    return UCS_OK;
  }
  if (kind != Kind::kData) {
    transport->OnControl(kind, source);
    return UCS_OK;
  }
  if (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) {  // no sender of ours does this
    Fail(source, RemoteError("rank {} sent a message by rendezvous, not eagerly", source->rank));
    return UCS_OK;
  }
  const bool keep = (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_DATA) != 0;
  std::unique_ptr<Message::Buffer> buffer;
  if (keep) {
    buffer = std::make_unique<UcxBuffer>(transport->worker_, data, length);
  } else {
    buffer = std::make_unique<OwnedBuffer>(
        std::span<const std::byte>(static_cast<const std::byte*>(data), length));
  }
  transport->arrived_.emplace_back(source->rank, std::move(buffer));
  return keep ? UCS_INPROGRESS : UCS_OK;
}

// The peer a header names; null where it is malformed.
UcxTransport::Peer* UcxTransport::SourceOf(const void* bytes, size_t length, Kind* kind) {
  if (length != sizeof(Header)) return nullptr;
  const auto header = LoadLittle<Header>(static_cast<const std::byte*>(bytes));
  const Header expected = MakeHeader(header.kind, header.source);
  if (std::memcmp(&header, &expected, sizeof(header)) != 0) return nullptr;
  if (static_cast<uint32_t>(header.kind) >= kMessageKinds || header.source >= peers_.size())
    return nullptr;
  *kind = header.kind;
  Peer* const peer = &peers_[header.source];
  return peer->rank == rank_ ? nullptr : peer;
}

void UcxTransport::OnControl(Kind kind, Peer* peer) {
  const auto answer = peer->handshake.Take(kind);
  const bool farewell = kind == Kind::kFarewell;
  if (farewell) Fail(peer, RemoteError("rank {} has closed its transport", peer->rank));
  if (answer) PostControl(peer, *answer, farewell ? &peer->answer : nullptr);
}

bool UcxTransport::Poll(std::vector<Message>* arrived) {
  constexpr int kRounds = 64;  // bounds the time in here when the wire is fast
  bool moved = false;
  for (int i = 0; i < kRounds && ucp_worker_progress(worker_->worker) != 0; ++i) moved = true;
  moved |= !arrived_.empty();
  std::move(arrived_.begin(), arrived_.end(), std::back_inserter(*arrived));
  arrived_.clear();
  return moved;
}

// --- Failure ---

// Called by UCX from within ucp_worker_progress; only records.
void UcxTransport::OnEndpointError(void* arg, ucp_ep_h, ucs_status_t status) {
  auto* const peer = static_cast<Peer*>(arg);
  peer->broken = true;
  Fail(peer,
       RemoteError("the connection to rank {} is lost: {}", peer->rank, ucs_status_string(status)));
}

// The first reason stays: what follows is its consequence.
void UcxTransport::Fail(Peer* peer, Status status) {
  if (!peer->status.ok()) return;
  TW_LOG(kInfo, "{}", status.message());
  peer->status = std::move(status);
}

Status UcxTransport::PeerStatus(int peer) const {
  TW_TRY(CheckRank(peer, peers_.size()));
  return peers_[static_cast<size_t>(peer)].status;
}

// --- Waiting ---

void UcxTransport::Wait(TimePoint deadline) {
  if (arrived_.empty()) WaitForEvent(deadline);
}

void UcxTransport::WaitForEvent(TimePoint deadline) {
  // Busy: something happened (a Wake included) since the last progress, so nothing is lost.
  if (ucp_worker_arm(worker_->worker) == UCS_ERR_BUSY) return;
  const TimePoint now = Now();
  const TimePoint until = std::clamp(deadline, now, now + std::chrono::hours(1));
  const Duration left = until - now;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  const timespec timeout = {.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
  pollfd event = {.fd = efd_, .events = POLLIN, .revents = 0};
  ppoll(&event, 1, &timeout, nullptr);
}

template <typename Done>
bool UcxTransport::ProgressUntil(TimePoint deadline, Done done) {
  for (;;) {
    if (done()) return true;
    if (Now() >= deadline) return false;
    if (ucp_worker_progress(worker_->worker) == 0) WaitForEvent(deadline);
  }
}

// --- Close ---

// A peer is done with when it has answered our farewell (so all before it was received), or closes
// itself (so it wants no more), or is lost. Its sockets may stay open for a while after that: their
// end is not waited for.
void UcxTransport::Close(TimePoint deadline) {
  closed_ = true;
  if (peers_.empty()) return;  // never connected
  const auto done = [](const Peer& peer) {
    return peer.endpoint == nullptr || peer.broken || peer.handshake.farewell_answered() ||
           (peer.handshake.farewell_seen() && !peer.answer.pending());
  };
  for (Peer& peer : peers_) {
    if (!peer.handshake.farewell_seen()) PostControl(&peer, Kind::kFarewell);
  }
  ProgressUntil(deadline, [&] { return std::all_of(peers_.begin(), peers_.end(), done); });
  CloseEndpoints();
}

// Forced: whatever could be delivered has been, and only this mode doesn't depend on the peers.
void UcxTransport::CloseEndpoints() {
  ucp_request_param_t param = {};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = UCP_EP_CLOSE_FLAG_FORCE;
  for (Peer& peer : peers_) {
    if (peer.endpoint == nullptr) continue;
    const ucs_status_ptr_t closing =
        ucp_ep_close_nbx(std::exchange(peer.endpoint, nullptr), &param);
    if (!UCS_PTR_IS_PTR(closing)) continue;
    while (ucp_request_check_status(closing) == UCS_INPROGRESS)
      ucp_worker_progress(worker_->worker);
    ucp_request_free(closing);
  }
}

}  // namespace

Result<std::unique_ptr<Transport>> MakeUcxTransport(const TransportOptions& options) {
  auto transport = std::make_unique<UcxTransport>();
  TW_TRY(transport->Open(options));
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace thinwire
