// SPDX-License-Identifier: Apache-2.0
//
// Messages as pieces, each one message of MPI that is small enough to be eager: MPI sends larger
// ones only after a round trip (rendezvous). Pieces of one sender arrive in order; a header says
// whose they are and where they belong. Layer: transport. Threads: the transport's.

#ifndef THINWIRE_TRANSPORT_MPI_MPI_PIECES_H_
#define THINWIRE_TRANSPORT_MPI_MPI_PIECES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/mpi.h"
#include "base/status.h"
#include "transport/handshake.h"
#include "transport/transport.h"

namespace thinwire {

// Content of a piece, at most.
inline constexpr size_t kMaxPieceBytes = size_t{64} << 10;
// A message, at most: what a peer announces is allocated.
inline constexpr size_t kMaxMessageBytes = size_t{1} << 30;

struct Piece {
  MessageKind kind = MessageKind::kData;
  uint32_t source = 0;  // rank
  uint64_t total = 0;   // bytes of the whole message
  uint64_t offset = 0;  // of this piece in it
  std::span<const std::byte> bytes;
};

// The piece as it travels.
std::unique_ptr<std::byte[]> PackPiece(const Piece& piece, int* packed_bytes);
// The piece that MPI has received, its bytes within `packed`; empty where it is malformed. The
// source is not checked.
std::optional<Piece> ParsePiece(std::span<const std::byte> packed);

// Puts the pieces of one source together again.
class Assembly {
 public:
  Assembly();
  Assembly(Assembly&&) noexcept;
  ~Assembly();
  // The message, with this piece its last; null while there are more to come; kRemote for a piece
  // that can't be next.
  Result<std::unique_ptr<Message::Buffer>> Add(const Piece& piece);

 private:
  class Whole;
  std::unique_ptr<Whole> whole_;  // the one under way
};

// One's tag of a group: where the pieces for one transport go.
struct MpiPlace {
  MpiHandle group{};
  int rank = 0;  // in the group
  int tag = 0;
};

// The sends to one peer, in order. Bytes are copied into pieces; a request is done when its last
// piece is with MPI. At most kPiecesUnderWay are: the rest waits here.
class Outbox {
 public:
  static constexpr size_t kPiecesUnderWay = 64;

  Outbox() = default;
  Outbox(Mpi mpi, MpiPlace to, int source, size_t piece_bytes);
  Outbox(Outbox&&) = default;
  Outbox& operator=(Outbox&&) = default;
  ~Outbox() { Drop(); }

  // `request` may be null.
  void Add(MessageKind kind, std::span<const std::byte> bytes, Request* request);
  // Hands pieces to MPI and takes back those it is done with. Whether anything moved, or MPI's
  // error.
  Result<bool> Progress();
  bool empty() const { return waiting_.empty() && under_way_.empty(); }
  // Fails what waits. What MPI has is left to it.
  void Drop();

 private:
  struct Waiting {
    MessageKind kind;
    std::span<const std::byte> bytes;
    size_t sent;
    Request* request;
  };
  struct UnderWay {
    MpiHandle request;
    std::unique_ptr<std::byte[]> bytes;
  };
  Status PostNext();

  Mpi mpi_;
  MpiPlace to_;
  uint32_t source_ = 0;
  size_t piece_bytes_ = 0;
  std::deque<Waiting> waiting_;
  std::deque<UnderWay> under_way_;
};

// Receives that are posted ahead, so that pieces go to memory of ours as they come.
class Inbox {
 public:
  Inbox() = default;
  ~Inbox() { Close(); }
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  Status Open(Mpi mpi, MpiPlace at);
  // The next piece as it travelled, valid until the next call; empty when none has come.
  Result<std::optional<std::span<const std::byte>>> Next();
  void Close();

 private:
  struct Slot {
    MpiHandle request{};
    std::unique_ptr<std::byte[]> bytes;
    bool posted = false;
  };
  Status Post(Slot* slot);

  Mpi mpi_;
  MpiPlace at_;
  std::vector<Slot> slots_;
  size_t next_ = 0;  // the slot that was posted first
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_MPI_MPI_PIECES_H_
