// SPDX-License-Identifier: Apache-2.0
//
// The stream that Save writes and Restore reads, record by record; docs/state.md specifies it byte
// by byte. Reading is total: any bytes give records or an error, and no length is believed before
// its checksum is right.

#ifndef THINWIRE_COMM_REPLICA_STREAM_H_
#define THINWIRE_COMM_REPLICA_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/hash.h"
#include "base/status.h"
#include "comm/replica_key.h"

namespace thinwire {

inline constexpr uint32_t kStateMagic = 0x54535754;  // "TWST" in memory order
inline constexpr uint32_t kStateFormat = 1;
inline constexpr uint64_t kMaxStateBytes = uint64_t{1} << 60;  // of one entry

// Takes, or gives, exactly so many bytes; an error ends the stream.
using WriteFunction = std::function<Status(const void*, size_t)>;
using ReadFunction = std::function<Status(void*, size_t)>;

// An entry as it stands in the stream, before its bytes.
struct ReplicaRecord {
  ReplicaKey key;
  ReplicaShape shape;
  uint64_t version = 0;   // at least 1
  uint64_t bytes = 0;     // how many follow
  uint64_t checksum = 0;  // Xxh3 of them
};

class ReplicaStreamWriter {
 public:
  explicit ReplicaStreamWriter(const WriteFunction& write) : write_(write) {}

  Status Begin();
  Status Entry(const ReplicaRecord& record);
  // The bytes of the last entry, in any pieces.
  Status Bytes(std::span<const std::byte> bytes);
  Status End();

 private:
  const WriteFunction& write_;
  uint64_t chain_ = 0;  // the last checksum: seeds the next, so that no record can be left out
  uint64_t entries_ = 0;
};

class ReplicaStreamReader {
 public:
  explicit ReplicaStreamReader(const ReadFunction& read) : read_(read) {}

  Status Begin();
  // The next entry, or nothing at the end of the stream. What follows the end is not read.
  Result<std::optional<ReplicaRecord>> Next();
  // The bytes of the last entry, in any pieces, and then whether they are what was written.
  Status Bytes(std::span<std::byte> bytes);
  Status EndBytes();

 private:
  Status CheckEnd(std::span<const std::byte> start);
  Status Read(std::span<std::byte> bytes);

  const ReadFunction& read_;
  uint64_t chain_ = 0;
  uint64_t entries_ = 0;
  uint64_t expected_ = 0;  // checksum of the bytes of the last entry
  std::optional<Xxh3Stream> checksum_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_REPLICA_STREAM_H_
