// SPDX-License-Identifier: Apache-2.0
#include "transport/shaped_transport.h"

#include <algorithm>
#include <list>
#include <optional>

#include "base/checked.h"
#include "base/log.h"
#include "transport/buffers.h"
#include "transport/held_messages.h"
#include "transport/transport_decorator.h"

namespace thinwire {
namespace {

// Follows every message: when its first and its last bit reach the receiver's downlink, in
// nanoseconds of the machine's steady clock.
struct Stamp {
  static constexpr uint64_t kMagic = 0x7368617065642121;
  uint64_t magic;
  int64_t first;
  int64_t last;
};

int64_t Nanoseconds(TimePoint time) { return Duration(time.time_since_epoch()).count(); }
TimePoint FromNanoseconds(int64_t time) { return TimePoint(Duration(time)); }

// One after another at a rate: an uplink, a downlink or the link of a pair.
class Serializer {
 public:
  explicit Serializer(double bytes_per_second = 0) : rate_(bytes_per_second) {}

  struct Span {
    TimePoint first;
    TimePoint last;
  };
  // When `bytes` that are there from `ready` on pass.
  Span Pass(TimePoint ready, size_t bytes) {
    const TimePoint first = std::max(ready, free_);
    free_ = first + Time(bytes);
    return {first, free_};
  }
  Duration Time(size_t bytes) const {
    return rate_ == 0 ? Duration::zero() : FromSeconds(static_cast<double>(bytes) / rate_);
  }

 private:
  double rate_;
  TimePoint free_{};  // since when it is idle
};

std::optional<Stamp> StampOf(const Message& message) {
  const std::span<const std::byte> bytes = message.bytes();
  if (bytes.size() < sizeof(Stamp)) return std::nullopt;
  const auto stamp = LoadLittle<Stamp>(bytes.data() + bytes.size() - sizeof(Stamp));
  return stamp.magic == Stamp::kMagic ? std::optional(stamp) : std::nullopt;
}

class ShapedTransport final : public TransportDecorator {
 public:
  ShapedTransport(std::unique_ptr<Transport> inner, ShapeOptions options)
      : TransportDecorator("shaped", std::move(inner)), options_(std::move(options)) {}

  Status Connect(int rank, std::span<const std::string> addresses, TimePoint deadline) override;
  Status Send(int peer, std::span<const std::byte> bytes, Request* request) override;
  bool Poll(std::vector<Message>* arrived) override;
  Status PeerStatus(int peer) const override;
  void Wait(TimePoint deadline) override;
  void Close(TimePoint deadline) override;

 private:
  struct Outgoing {
    std::vector<std::byte> bytes;  // the caller's and the stamp
    Request inner;
    Request* request;   // the caller's
    TimePoint release;  // when the caller's may be done
  };

  const ShapedLink& link(int from, int to) const {
    return options_.links[static_cast<size_t>(from * options_.ranks + to)];
  }
  void Receive(Message message);
  void Land(Message message);
  static bool Finish(Outgoing* outgoing, TimePoint now);

  const ShapeOptions options_;
  int rank_ = -1;
  Serializer uplink_;
  Serializer downlink_;
  std::vector<Serializer> pairs_;  // by peer
  std::list<Outgoing> outgoing_;
  HeldMessages travelling_;  // by the arrival of the first bit at the downlink
  HeldMessages landing_;     // by the arrival of the last bit behind the downlink
};

Status ShapedTransport::Connect(int rank, std::span<const std::string> addresses,
                                TimePoint deadline) {
  if (addresses.size() != static_cast<size_t>(options_.ranks)) {
    return InvalidArgument("the shape is for {} ranks, the communicator has {}", options_.ranks,
                           addresses.size());
  }
  TW_TRY(CheckRank(rank, addresses.size()));
  rank_ = rank;
  uplink_ = Serializer(options_.uplinks[static_cast<size_t>(rank)]);
  downlink_ = Serializer(options_.downlinks[static_cast<size_t>(rank)]);
  for (int peer = 0; peer < options_.ranks; ++peer) {
    pairs_.emplace_back(link(rank, peer).bytes_per_second);
  }
  return TransportDecorator::Connect(rank, addresses, deadline);
}

Status ShapedTransport::Send(int peer, std::span<const std::byte> bytes, Request* request) {
  request->state = Request::State::kFailed;
  TW_TRY(CheckPeer(peer, rank_, pairs_.size()));
  const size_t wire = WireBytes(options_, bytes.size());
  Serializer& pair = pairs_[static_cast<size_t>(peer)];
  const Serializer::Span host = uplink_.Pass(Now(), wire);
  const Serializer::Span path = pair.Pass(host.first, wire);
  const TimePoint last = std::max(host.last, path.last);
  const Duration delay = link(rank_, peer).delay;
  const Stamp stamp = {Stamp::kMagic, Nanoseconds(path.first + delay), Nanoseconds(last + delay)};

  Outgoing& sending = outgoing_.emplace_back();
  sending.bytes.resize(bytes.size() + sizeof(stamp));
  std::copy(bytes.begin(), bytes.end(), sending.bytes.begin());
  StoreLittle(stamp, sending.bytes.data() + bytes.size());
  sending.request = request;
  sending.release =
      last - std::max(uplink_.Time(options_.send_buffer), pair.Time(options_.send_buffer));
  const Status sent = inner().Send(peer, sending.bytes, &sending.inner);
  request->state = sent.ok() ? Request::State::kPending : Request::State::kFailed;
  if (!sent.ok() || Finish(&sending, Now())) outgoing_.pop_back();
  return sent;
}

// Whether `outgoing` is no longer pending, which its caller's request then says too.
bool ShapedTransport::Finish(Outgoing* outgoing, TimePoint now) {
  if (outgoing->inner.pending()) return false;
  const bool failed = outgoing->inner.state == Request::State::kFailed;
  if (!failed && outgoing->release > now) return false;
  outgoing->request->state = outgoing->inner.state;
  return true;
}

bool ShapedTransport::Poll(std::vector<Message>* arrived) {
  std::vector<Message> messages;
  bool moved = inner().Poll(&messages);
  for (Message& message : messages) Receive(std::move(message));
  const TimePoint now = Now();
  moved |= std::erase_if(outgoing_, [now](Outgoing& o) { return Finish(&o, now); }) > 0;

  // The downlink takes messages in the order in which they reach it, whoever sent them.
  messages.clear();
  travelling_.Release(now, &messages);
  for (Message& message : messages) Land(std::move(message));
  moved |= landing_.Release(now, arrived);
  return moved;
}

void ShapedTransport::Receive(Message message) {
  const std::optional<Stamp> stamp = StampOf(message);
  if (!stamp.has_value()) {
    TW_LOG(kWarn, "a message of rank {} has no stamp: is that rank shaped?", message.source());
    return;
  }
  travelling_.Hold(FromNanoseconds(stamp->first), std::move(message));
}

void ShapedTransport::Land(Message message) {
  const Stamp stamp = *StampOf(message);
  const size_t size = message.bytes().size() - sizeof(Stamp);
  const Serializer::Span span =
      downlink_.Pass(FromNanoseconds(stamp.first), WireBytes(options_, size));
  landing_.Hold(std::max(span.last, FromNanoseconds(stamp.last)),
                Trimmed(std::move(message), size));
}

// What a peer sent before it failed is on its way for a while yet.
Status ShapedTransport::PeerStatus(int peer) const {
  if (travelling_.HoldsFrom(peer) || landing_.HoldsFrom(peer)) return {};
  return TransportDecorator::PeerStatus(peer);
}

void ShapedTransport::Wait(TimePoint deadline) {
  TimePoint next = std::min({deadline, travelling_.next(), landing_.next()});
  for (const Outgoing& outgoing : outgoing_) {
    if (!outgoing.inner.pending()) next = std::min(next, outgoing.release);
  }
  inner().Wait(next);
}

void ShapedTransport::Close(TimePoint deadline) {
  std::vector<Message> too_late;
  for (;;) {
    Poll(&too_late);
    if (outgoing_.empty() || Now() >= deadline) break;
    Wait(deadline);
  }
  TransportDecorator::Close(deadline);
}

// The fastest link from (or to) each rank; infinite where one is.
std::vector<double> HostRates(const ShapeOptions& options, bool up) {
  std::vector<double> rates;
  for (int host = 0; host < options.ranks; ++host) {
    double fastest = 0;
    bool infinite = false;
    for (int peer = 0; peer < options.ranks; ++peer) {
      if (peer == host) continue;
      const int index = up ? host * options.ranks + peer : peer * options.ranks + host;
      const double rate = options.links[static_cast<size_t>(index)].bytes_per_second;
      infinite |= rate == 0;
      fastest = std::max(fastest, rate);
    }
    rates.push_back(infinite ? 0 : fastest);
  }
  return rates;
}

}  // namespace

ShapeOptions UniformShape(int ranks, ShapedLink link) {
  ShapeOptions options;
  options.ranks = ranks;
  options.links.assign(static_cast<size_t>(ranks) * static_cast<size_t>(ranks), link);
  return options;
}

size_t WireBytes(const ShapeOptions& options, size_t bytes) {
  const size_t packets = std::max<size_t>(1, CeilDivide(bytes, options.packet_payload));
  return bytes + packets * options.packet_overhead;
}

Result<std::unique_ptr<Transport>> MakeShapedTransport(std::unique_ptr<Transport> inner,
                                                       ShapeOptions options) {
  const auto ranks = static_cast<size_t>(std::max(options.ranks, 0));
  if (ranks == 0 || options.links.size() != ranks * ranks || options.packet_payload == 0) {
    return InvalidArgument("a shape of {} ranks with {} links (wanted: the square) is none",
                           options.ranks, options.links.size());
  }
  if (options.uplinks.empty()) options.uplinks = HostRates(options, true);
  if (options.downlinks.empty()) options.downlinks = HostRates(options, false);
  if (options.uplinks.size() != ranks || options.downlinks.size() != ranks) {
    return InvalidArgument("a shape of {} ranks needs as many uplinks and downlinks", ranks);
  }
  return std::unique_ptr<Transport>(
      std::make_unique<ShapedTransport>(std::move(inner), std::move(options)));
}

}  // namespace thinwire
