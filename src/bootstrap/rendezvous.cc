// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/rendezvous.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/checked.h"
#include "bootstrap/mpi_rendezvous.h"
#include "bootstrap/protocol.h"
#include "base/socket.h"

namespace thinwire {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Covers a lost SYN and its repetition on a long link; whoever is silent for longer is not the
// root.
constexpr auto kHandshakePatience = seconds(5);
constexpr auto kRetryInterval = milliseconds(50);

struct Message {
  MessageType type{};
  std::string body;
};

// The next message of the root; its kFailed becomes the error.
Result<Message> ReadMessage(int fd, TimePoint deadline) {
  std::array<std::byte, MessageHeader::kBytes> bytes;
  TW_TRY(ReadAll(fd, bytes, deadline));
  const MessageHeader header = ParseMessageHeader(bytes);
  if (header.length > MaxBody(header.type).value_or(0)) {
    return RemoteError("the root sent a message of type {} and {} bytes, over the limit",
                       static_cast<uint32_t>(header.type), header.length);
  }
  Message message{header.type, std::string(header.length, '\0')};
  TW_TRY(ReadAll(fd, std::as_writable_bytes(std::span(message.body)), deadline));
  if (message.type == MessageType::kFailed) return ParseFailed(message.body);
  return message;
}

Result<std::string> Expect(MessageType type, int fd, TimePoint deadline) {
  TW_ASSIGN(Message message, ReadMessage(fd, deadline));
  if (message.type != type) {
    return RemoteError("the root sent a message of type {} instead of {}",
                       static_cast<uint32_t>(message.type), static_cast<uint32_t>(type));
  }
  return std::move(message.body);
}

struct JoinRequest {
  Secret secret;
  int rank;
  int nranks;
  TimePoint deadline;
  bool listens;  // the root, if there is one
};

// A connection on which both ends have proven the secret. kInvalidArgument: the root refuses ours;
// other errors: the root was not met there.
Result<Fd> Handshake(const IpAddress& address, uint16_t port, const JoinRequest& request) {
  const TimePoint deadline = std::min(request.deadline, Now() + kHandshakePatience);
  TW_ASSIGN(Fd fd, Connect(address, port, deadline));
  const std::string where = AddressText(address, port);

  std::array<std::byte, Greeting::kBytes> greeting_bytes;
  if (Status status = ReadAll(fd.get(), greeting_bytes, deadline); !status.ok()) {
    return status.WithContext(where);
  }
  const Greeting greeting = ParseGreeting(greeting_bytes);
  if (greeting.magic != kRendezvousMagic) {
    return RemoteError("{}: who listens there is no Thinwire root", where);
  }
  Hello hello = {.rank = request.rank,
                 .nranks = static_cast<uint32_t>(request.nranks),
                 .budget_ms = BudgetMs(request.deadline)};
  TW_TRY(FillRandom(hello.nonce));
  const auto hello_bytes = PackHello(hello, request.secret, greeting.nonce);
  if (Status status = WriteAll(fd.get(), hello_bytes, deadline); !status.ok()) {
    return status.WithContext(where);
  }
  Result<std::string> accepted = Expect(MessageType::kAccepted, fd.get(), deadline);
  if (!accepted.ok()) return accepted.status().WithContext(where);
  const Digest proof = RootProof(request.secret, greeting.nonce, hello.nonce);
  if (accepted->size() != kDigestBytes ||
      !SameDigest(BytesOf(*accepted).first<kDigestBytes>(), proof)) {
    return RemoteError("{}: who listens there does not know the secret of the unique id", where);
  }
  return fd;
}

// Tries the root's addresses in turn until one answers: ranks start in any order.
Result<Fd> FindRoot(const UniqueIdFields& id, const JoinRequest& request) {
  for (;;) {
    Status refused;
    bool answered = false;  // something, or maybe later
    std::vector<std::string> reasons;
    for (const IpAddress& address : id.addresses) {
      Result<Fd> fd = Handshake(address, id.port, request);
      if (fd.ok()) return fd;
      reasons.push_back(fd.status().message());
      if (fd.status().code() == Code::kInvalidArgument) refused = fd.status();
      answered = answered || fd.status().code() != Code::kSystem;
    }
    if (!refused.ok()) return refused;
    const bool gone = request.listens && !answered;
    if (gone || Now() + kRetryInterval >= request.deadline) {
      return TimeoutError(
          "no root met at the addresses of the unique id ({}); is rank 0 running, "
          "and does a firewall let it be reached?",
          fmt::join(reasons, "; "));
    }
    std::this_thread::sleep_for(kRetryInterval);
  }
}

class TcpRendezvous : public Rendezvous {
 public:
  TcpRendezvous(Fd fd, int nranks) : fd_(std::move(fd)), nranks_(static_cast<size_t>(nranks)) {}
  ~TcpRendezvous() override {
    if (!fd_.open()) return;
    const std::string leave = PackMessage(MessageType::kLeave, "");
    // 8 bytes into an empty send buffer; if they don't fit, the root is stuck and others know.
    (void)WriteAll(fd_.get(), BytesOf(leave), Now());
  }

  Result<std::vector<std::string>> Exchange(const std::string& blob, TimePoint deadline) override {
    if (!fd_.open()) return InvalidUsage("this rendezvous has failed before; join a new one");
    if (blob.size() > kMaxBlobBytes) {
      return InvalidArgument("a blob of {} bytes is over the limit of {}", blob.size(),
                             kMaxBlobBytes);
    }
    Result<std::vector<std::string>> blobs = DoExchange(blob, deadline);
    if (blobs.ok()) return blobs;
    fd_.Close();  // without kLeave: the root tells the others that this rank is lost
    return blobs.status().WithContext("exchange with the other ranks");
  }

 private:
  Result<std::vector<std::string>> DoExchange(const std::string& blob, TimePoint deadline) {
    const Status written =
        WriteAll(fd_.get(), BytesOf(PackBlob(blob, BudgetMs(deadline))), deadline);
    // Where writing fails the root may have said why, so read in any case.
    Result<std::string> body = Expect(MessageType::kBlobs, fd_.get(), deadline);
    if (!written.ok() && !body.ok() && body.status().code() == Code::kSystem) return written;
    if (!body.ok()) return body.status();
    return ParseBlobs(*body, nranks_);
  }

  Fd fd_;
  size_t nranks_;
};

}  // namespace

Result<std::unique_ptr<Rendezvous>> Rendezvous::Join(const UniqueId& id, int rank, int nranks,
                                                     TimePoint deadline, bool listens) {
  TW_ASSIGN(const UniqueIdFields fields, ParseUniqueId(id));
  if (IsMpiId(fields)) return JoinByMpi(rank, nranks);
  const JoinRequest request = {fields.secret, rank, nranks, deadline, listens};
  const std::string who = fmt::format("rank {} of {} could not join", rank, nranks);
  Result<Fd> fd = FindRoot(fields, request);
  if (!fd.ok()) return fd.status().WithContext(who);
  if (Result<std::string> ready = Expect(MessageType::kReady, fd->get(), deadline); !ready.ok()) {
    return ready.status().WithContext(who);
  }
  return std::unique_ptr<Rendezvous>(
      std::make_unique<TcpRendezvous>(std::move(fd).value(), nranks));
}

}  // namespace thinwire
