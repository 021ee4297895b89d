// SPDX-License-Identifier: Apache-2.0
#include "transport/loopback/loopback_transport.h"

#include <unistd.h>

#include <charconv>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>

#include "transport/address.h"
#include "transport/buffers.h"

namespace thinwire {
namespace {

constexpr std::string_view kName = "loopback";
constexpr int kNobody = -1;

// What lies in a mailbox: a message, or the notice that its source has closed (no buffer).
struct Letter {
  int source;
  std::unique_ptr<Message::Buffer> buffer;
};

// Where one rank receives. Shared by its owner, its peers and the registry.
class Mailbox {
 public:
  void Post(Letter letter) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    letters_.push_back(std::move(letter));
    changed_.notify_one();
  }

  std::vector<Letter> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(letters_, {});
  }

  void Wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_one();
  }

  void Wait(TimePoint deadline) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return woken_ || !letters_.empty(); };
    if (deadline == TimePoint::max()) {
      changed_.wait(lock, ready);  // wait_until would overflow when it converts the clock
    } else {
      changed_.wait_until(lock, deadline, ready);
    }
    woken_ = false;
  }

  // The owner has entered Connect as this rank.
  void SetRank(int rank) {
    const std::lock_guard lock(mutex_);
    rank_ = rank;
  }
  int rank() const {
    const std::lock_guard lock(mutex_);
    return rank_;
  }

  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Letter> letters_;
  bool woken_ = false;
  bool closed_ = false;
  int rank_ = kNobody;
};

// The mailboxes of this process by key.
class Registry {
 public:
  static Registry& Get() {
    static Registry* const registry = new Registry;  // never destroyed: outlives every thread
    return *registry;
  }

  // `<process>/<key>`: the part before the slash differs between processes, also after a fork and
  // between containers whose process numbers are equal.
  std::string process() const { return fmt::format("{}-{:016x}", getpid(), nonce_); }

  uint64_t Add(std::shared_ptr<Mailbox> mailbox) {
    const std::lock_guard lock(mutex_);
    mailboxes_[++last_key_] = std::move(mailbox);
    return last_key_;
  }
  void Remove(uint64_t key) {
    const std::lock_guard lock(mutex_);
    mailboxes_.erase(key);
  }
  std::shared_ptr<Mailbox> Find(uint64_t key) const {
    const std::lock_guard lock(mutex_);
    const auto found = mailboxes_.find(key);
    return found == mailboxes_.end() ? nullptr : found->second;
  }

 private:
  Registry() : nonce_((uint64_t{std::random_device()()} << 32) | std::random_device()()) {}

  mutable std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Mailbox>> mailboxes_;
  uint64_t last_key_ = 0;
  const uint64_t nonce_;
};

class LoopbackTransport final : public Transport {
 public:
  LoopbackTransport() : key_(Registry::Get().Add(mailbox_)) {}
  ~LoopbackTransport() override {
    Close(Now());
    Registry::Get().Remove(key_);
  }

  std::string name() const override { return std::string(kName); }

  Result<std::string> Address() override {
    return PackAddress(kName, fmt::format("{}/{}", Registry::Get().process(), key_));
  }

  Status Connect(int rank, std::span<const std::string> addresses, TimePoint deadline) override;

  Status Send(int peer, std::span<const std::byte> bytes, Request* request) override {
    request->state = Request::State::kFailed;
    TW_TRY(CheckPeer(peer, rank_, peers_.size()));
    TW_TRY(PeerStatus(peer));
    peers_[static_cast<size_t>(peer)].mailbox->Post({rank_, std::make_unique<OwnedBuffer>(bytes)});
    request->state = Request::State::kDone;
    return {};
  }

  bool Poll(std::vector<Message>* arrived) override {
    std::vector<Letter> letters = mailbox_->Take();
    for (Letter& letter : letters) {
      if (letter.buffer != nullptr) {
        arrived->emplace_back(letter.source, std::move(letter.buffer));
      } else if (static_cast<size_t>(letter.source) < peers_.size()) {
        peers_[static_cast<size_t>(letter.source)].status =
            RemoteError("rank {} has closed its transport", letter.source);
      }
    }
    return !letters.empty();
  }

  Status PeerStatus(int peer) const override {
    TW_TRY(CheckRank(peer, peers_.size()));
    return peers_[static_cast<size_t>(peer)].status;
  }

  void Wait(TimePoint deadline) override { mailbox_->Wait(deadline); }
  void Wake() override { mailbox_->Wake(); }

  void Close(TimePoint) override {
    mailbox_->Close();
    for (size_t r = 0; r < peers_.size(); ++r) {
      if (static_cast<int>(r) != rank_) peers_[r].mailbox->Post({rank_, nullptr});
    }
    peers_.clear();
  }

 private:
  struct Peer {
    std::shared_ptr<Mailbox> mailbox;
    Status status;
  };

  static Result<std::shared_ptr<Mailbox>> Resolve(const std::string& address, int rank);

  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  const uint64_t key_;
  int rank_ = kNobody;
  std::vector<Peer> peers_;
};

Result<std::shared_ptr<Mailbox>> LoopbackTransport::Resolve(const std::string& address, int rank) {
  TW_ASSIGN(const std::string_view body, UnpackAddress(kName, address, rank));
  const size_t slash = body.rfind('/');
  const std::string_view process = body.substr(0, slash);
  if (process != Registry::Get().process()) {
    return InvalidArgument(
        "rank {} is in another process ({}; this one is {}): loopback joins threads of one process",
        rank, process, Registry::Get().process());
  }
  uint64_t key = 0;
  std::from_chars(body.data() + slash + 1, body.data() + body.size(), key);
  std::shared_ptr<Mailbox> mailbox = Registry::Get().Find(key);
  if (mailbox == nullptr) return RemoteError("rank {} has gone: its transport is destroyed", rank);
  return mailbox;
}

Status LoopbackTransport::Connect(int rank, std::span<const std::string> addresses,
                                  TimePoint deadline) {
  TW_TRY(CheckRank(rank, addresses.size()));
  if (!peers_.empty()) return InvalidUsage("Connect was called before");
  std::vector<Peer> peers(addresses.size());
  for (size_t r = 0; r < addresses.size(); ++r) {
    if (static_cast<int>(r) == rank) {
      peers[r].mailbox = mailbox_;
    } else {
      TW_ASSIGN(peers[r].mailbox, Resolve(addresses[r], static_cast<int>(r)));
    }
  }
  rank_ = rank;
  peers_ = std::move(peers);
  mailbox_->SetRank(rank);
  for (size_t r = 0; r < peers_.size(); ++r) {
    const Mailbox& peer = *peers_[r].mailbox;
    while (peer.rank() != static_cast<int>(r)) {
      if (peer.closed()) return RemoteError("rank {} closed before it connected", r);
      if (Now() >= deadline) return TimeoutError("rank {} didn't connect in time", r);
      mailbox_->Wait(std::min(deadline, Now() + std::chrono::milliseconds(1)));
    }
  }
  return {};
}

}  // namespace

std::unique_ptr<Transport> MakeLoopbackTransport() { return std::make_unique<LoopbackTransport>(); }

}  // namespace thinwire
