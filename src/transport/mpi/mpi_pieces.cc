// SPDX-License-Identifier: Apache-2.0
#include "transport/mpi/mpi_pieces.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/checked.h"

namespace thinwire {
namespace {

// Fields are little endian.
struct Header {
  uint32_t magic;
  uint32_t check;
  uint32_t kind;
  uint32_t source;
  uint64_t total;
  uint64_t offset;
};
static_assert(sizeof(Header) == 32);

Header MakeHeader(uint32_t kind, uint32_t source, uint64_t total, uint64_t offset) {
  constexpr uint32_t kMagic = 0x314d5754;  // "TWM1"
  const uint64_t sizes = total * 31 + offset;
  const auto check = static_cast<uint32_t>(sizes ^ (sizes >> 32)) ^ source ^ (kind << 24);
  return {kMagic, ~check, kind, source, total, offset};
}

// What MPI may still read or write though nobody waits for it: kept until MPI is done with it.
class Abandoned {
 public:
  static void Keep(const Mpi& mpi, MpiHandle request, std::unique_ptr<std::byte[]> bytes) {
    static auto* const abandoned = new Abandoned;  // never destroyed: MPI goes on after exit begins
    const std::lock_guard lock(abandoned->mutex_);
    abandoned->Sweep(mpi);
    abandoned->kept_.emplace_back(request, std::move(bytes));
  }

 private:
  void Sweep(const Mpi& mpi) {
    std::erase_if(kept_, [&](auto& entry) {
      int done = 0;
      int size = 0;
      (void)mpi.calls->test(&entry.first, &done, &size);
      return done != 0;
    });
  }
  std::mutex mutex_;
  std::vector<std::pair<MpiHandle, std::unique_ptr<std::byte[]>>> kept_;
};

}  // namespace

// ---- Pieces -------------------------------------------------------------------------------------

std::unique_ptr<std::byte[]> PackPiece(const Piece& piece, int* packed_bytes) {
  const size_t size = sizeof(Header) + piece.bytes.size();
  auto packed = std::make_unique_for_overwrite<std::byte[]>(size);
  StoreLittle(
      MakeHeader(static_cast<uint32_t>(piece.kind), piece.source, piece.total, piece.offset),
      packed.get());
  if (!piece.bytes.empty()) {
    std::memcpy(packed.get() + sizeof(Header), piece.bytes.data(), piece.bytes.size());
  }
  *packed_bytes = static_cast<int>(size);
  return packed;
}

std::optional<Piece> ParsePiece(std::span<const std::byte> packed) {
  if (packed.size() < sizeof(Header)) return std::nullopt;
  const auto header = LoadLittle<Header>(packed.data());
  const Header expected = MakeHeader(header.kind, header.source, header.total, header.offset);
  if (header.magic != expected.magic || header.check != expected.check) return std::nullopt;
  if (header.kind >= kMessageKinds) return std::nullopt;
  const Piece piece = {static_cast<MessageKind>(header.kind), header.source, header.total,
                       header.offset, packed.subspan(sizeof(Header))};
  if (piece.total > kMaxMessageBytes || piece.offset > piece.total) return std::nullopt;
  if (piece.bytes.size() > piece.total - piece.offset) return std::nullopt;
  if (piece.bytes.empty() != (piece.total == 0)) return std::nullopt;
  if (piece.kind != MessageKind::kData && piece.total != 0) return std::nullopt;
  return piece;
}

class Assembly::Whole final : public Message::Buffer {
 public:
  explicit Whole(size_t total)
      : total_(total), data_(std::make_unique_for_overwrite<std::byte[]>(total)) {}
  std::span<std::byte> bytes() override { return {data_.get(), total_}; }

  bool Accepts(const Piece& piece) const {
    return piece.total == total_ && piece.offset == filled_;
  }
  void Add(std::span<const std::byte> bytes) {
    if (!bytes.empty()) std::memcpy(data_.get() + filled_, bytes.data(), bytes.size());
    filled_ += bytes.size();
  }
  bool complete() const { return filled_ == total_; }

 private:
  const size_t total_;
  const std::unique_ptr<std::byte[]> data_;
  size_t filled_ = 0;
};

// Here, where Whole is known.
Assembly::Assembly() = default;
Assembly::Assembly(Assembly&&) noexcept = default;
Assembly::~Assembly() = default;

Result<std::unique_ptr<Message::Buffer>> Assembly::Add(const Piece& piece) {
  if (whole_ == nullptr) whole_ = std::make_unique<Whole>(piece.total);
  if (!whole_->Accepts(piece)) {
    return RemoteError("a piece of {} bytes at {} of {} is out of order", piece.bytes.size(),
                       piece.offset, piece.total);
  }
  whole_->Add(piece.bytes);
  std::unique_ptr<Message::Buffer> done;
  if (whole_->complete()) done = std::move(whole_);
  return done;
}

// ---- Sending ------------------------------------------------------------------------------------

Outbox::Outbox(Mpi mpi, MpiPlace to, int source, size_t piece_bytes)
    : mpi_(mpi), to_(to), source_(static_cast<uint32_t>(source)), piece_bytes_(piece_bytes) {}

void Outbox::Add(MessageKind kind, std::span<const std::byte> bytes, Request* request) {
  if (request != nullptr) request->state = Request::State::kPending;
  waiting_.push_back({kind, bytes, 0, request});
}

Result<bool> Outbox::Progress() {
  bool moved = false;
  while (!under_way_.empty()) {
    int done = 0;
    int size = 0;
    TW_TRY(mpi_.Check(mpi_.calls->test(&under_way_.front().request, &done, &size)));
    if (done == 0) break;
    under_way_.pop_front();
    moved = true;
  }
  while (!waiting_.empty() && under_way_.size() < kPiecesUnderWay) {
    TW_TRY(PostNext());
    moved = true;
  }
  return moved;
}

Status Outbox::PostNext() {
  Waiting& next = waiting_.front();
  const size_t left = next.bytes.size() - next.sent;
  const Piece piece = {next.kind, source_, next.bytes.size(), next.sent,
                       next.bytes.subspan(next.sent, std::min(left, piece_bytes_))};
  int size = 0;
  UnderWay posted = {{}, PackPiece(piece, &size)};
  TW_TRY(mpi_.Check(
      mpi_.calls->send(to_.group, to_.rank, to_.tag, posted.bytes.get(), size, &posted.request)));
  under_way_.push_back(std::move(posted));
  next.sent += piece.bytes.size();
  if (next.sent < next.bytes.size()) return {};
  if (next.request != nullptr) next.request->state = Request::State::kDone;
  waiting_.pop_front();
  return {};
}

void Outbox::Drop() {
  for (const Waiting& waiting : std::exchange(waiting_, {})) {
    if (waiting.request != nullptr) waiting.request->state = Request::State::kFailed;
  }
  for (UnderWay& posted : std::exchange(under_way_, {})) {
    Abandoned::Keep(mpi_, posted.request, std::move(posted.bytes));
  }
}

// ---- Receiving ----------------------------------------------------------------------------------

Status Inbox::Open(Mpi mpi, MpiPlace at) {
  constexpr size_t kSlots = 64;
  mpi_ = mpi;
  at_ = at;
  slots_.resize(kSlots);
  for (Slot& slot : slots_) {
    slot.bytes = std::make_unique_for_overwrite<std::byte[]>(sizeof(Header) + kMaxPieceBytes);
    TW_TRY(Post(&slot));
  }
  return {};
}

Status Inbox::Post(Slot* slot) {
  TW_TRY(mpi_.Check(mpi_.calls->receive(at_.group, at_.tag, slot->bytes.get(),
                                        static_cast<int>(sizeof(Header) + kMaxPieceBytes),
                                        &slot->request)));
  slot->posted = true;
  return {};
}

// In the order of posting, which is the order in which MPI matches them: so pieces of one source
// come in theirs.
Result<std::optional<std::span<const std::byte>>> Inbox::Next() {
  using Received = std::optional<std::span<const std::byte>>;
  if (slots_.empty()) return Received();
  if (!slots_[next_].posted) {  // handed out by the last call
    TW_TRY(Post(&slots_[next_]));
    next_ = (next_ + 1) % slots_.size();
  }
  Slot& slot = slots_[next_];
  int done = 0;
  int size = 0;
  const Status status = mpi_.Check(mpi_.calls->test(&slot.request, &done, &size));
  slot.posted = done == 0;
  TW_TRY(status);
  if (done == 0) return Received();
  return Received({slot.bytes.get(), static_cast<size_t>(size)});
}

void Inbox::Close() {
  for (Slot& slot : std::exchange(slots_, {})) {
    if (!slot.posted) continue;
    (void)mpi_.calls->cancel(&slot.request);
    Abandoned::Keep(mpi_, slot.request, std::move(slot.bytes));
  }
}

}  // namespace thinwire
