// SPDX-License-Identifier: Apache-2.0
//
// Saving and restoring what a ReplicaStore holds.
#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/units.h"
#include "comm/replica_store.h"

namespace thinwire {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;  // between a stream and the disk
// Memory that a stream may ask for before it has brought anything; then twice what it has brought.
constexpr size_t kFirstBytes = size_t{4} << 20;

// The next `size` bytes of a stream, which may end long before: memory follows what comes.
Result<std::shared_ptr<const StateBytes>> ReadBytes(ReplicaStreamReader& reader, Device* device,
                                                    size_t size) {
  TW_ASSIGN(std::shared_ptr<StateBytes> bytes,
            StateBytes::Make(device, std::min(size, kFirstBytes)));
  TW_TRY(reader.Bytes(bytes->span()));
  while (bytes->size() < size) {
    const size_t there = bytes->size();
    TW_ASSIGN(std::shared_ptr<StateBytes> larger,
              StateBytes::Make(device, std::min(size, 2 * there)));
    std::memcpy(larger->data(), bytes->data(), there);
    bytes = std::move(larger);
    TW_TRY(reader.Bytes(bytes->span().subspan(there)));
  }
  return std::shared_ptr<const StateBytes>(std::move(bytes));
}

// Calls each(at, piece) for the pieces of `size` bytes, over one buffer.
template <typename Each>
Status InPieces(uint64_t size, Each each) {
  std::vector<std::byte> buffer(std::min<uint64_t>(size, kPieceBytes));
  for (uint64_t at = 0; at < size; at += kPieceBytes) {
    TW_TRY(each(at, std::span(buffer).first(std::min<uint64_t>(size - at, kPieceBytes))));
  }
  return {};
}

}  // namespace

// While it lives nobody but its owner touches the content: no lease begins, no entry moves.
class ReplicaStore::Exclusive {
 public:
  Exclusive(ReplicaStore& store, const char* what) : store_(store) {
    std::unique_lock lock(store_.mutex_);
    status_ = Begin(lock, what);
  }
  ~Exclusive() {
    if (!status_.ok()) return;
    const std::lock_guard lock(store_.mutex_);
    store_.exclusive_ = nullptr;
    store_.changed_.notify_all();
  }
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;

  const Status& status() const { return status_; }

 private:
  Status Begin(std::unique_lock<std::mutex>& lock, const char* what) {
    TW_TRY(store_.CheckNotExclusive());
    for (const auto& [key, entry] : store_.content_.entries) {
      if (!entry.leased) continue;
      return InvalidUsage(
          "state can't be {} while {} is in use by an operation that has not ended; wait for it "
          "first",
          what, key.Text());
    }
    // No lease, so nobody but the thread that prefetches is at work; it comes to a stop.
    store_.exclusive_ = what;
    store_.changed_.wait(lock, [this] { return !store_.reading_ahead_; });
    return {};
  }

  ReplicaStore& store_;
  Status status_;
};

Status ReplicaStore::Save(const WriteFunction& write) {
  const Exclusive exclusive(*this, "saved");
  TW_TRY(exclusive.status());
  ReplicaStreamWriter writer(write);
  TW_TRY(writer.Begin());
  for (const auto& [key, entry] : content_.entries) {
    TW_TRY(SaveEntry(entry, writer).WithContext("saving " + key.Text()));
  }
  return writer.End();
}

Status ReplicaStore::SaveEntry(const Entry& entry, ReplicaStreamWriter& writer) const {
  const bool spilled = !entry.extent.empty();
  TW_TRY(writer.Entry({.key = entry.key,
                       .shape = entry.shape,
                       .version = entry.version,
                       .bytes = entry.size,
                       .checksum = spilled ? entry.checksum : Xxh3(entry.bytes->span())}));
  if (!spilled) return writer.Bytes(entry.bytes->span());

  Xxh3Stream checksum;
  const auto copy = [&](uint64_t at, std::span<std::byte> piece) {
    TW_TRY(entry.extent.Read(at, piece));
    checksum.Add(piece);
    return writer.Bytes(piece);
  };
  TW_TRY(InPieces(entry.size, copy));
  return checksum.Digest() == entry.checksum ? Status() : ChangedOnDisk(entry);
}

Status ReplicaStore::Restore(const ReadFunction& read) {
  Content staged;  // afterwards what was there before; freed after the lock
  const Exclusive exclusive(*this, "restored");
  TW_TRY(exclusive.status());
  TW_TRY(RestoreAll(read, staged));
  const std::lock_guard lock(mutex_);
  std::swap(content_, staged);
  to_read_.clear();
  return {};
}

Status ReplicaStore::RestoreAll(const ReadFunction& read, Content& staged) {
  ReplicaStreamReader reader(read);
  TW_TRY(reader.Begin().WithContext("restoring state"));
  for (uint64_t number = 1;; ++number) {
    const std::string where = fmt::format("restoring state, record {}", number);
    Result<std::optional<ReplicaRecord>> record = reader.Next();
    TW_TRY(record.status().WithContext(where));
    if (!record.value()) return {};
    TW_TRY(RestoreEntry(reader, *record.value(), staged).WithContext(where));
  }
}

Status ReplicaStore::RestoreEntry(ReplicaStreamReader& reader, const ReplicaRecord& record,
                                  Content& staged) {
  const auto [at, is_new] = staged.entries.try_emplace(record.key);
  if (!is_new) return InvalidArgument("{} comes twice", record.key.Text());
  Entry& entry = at->second;
  entry.key = record.key;
  entry.shape = record.shape;
  entry.size = record.bytes;
  entry.version = record.version;

  // The old content gives way only at the end, so with a folder its memory counts too.
  const size_t taken = staged.memory_bytes + (spill_ != nullptr ? content_.memory_bytes : 0);
  const size_t limit = options_.limit_bytes;
  const bool fits = limit == 0 || entry.size == 0 || taken + entry.size <= limit;
  if (!fits && spill_ == nullptr) return OverLimit("the state to restore");
  if (fits) {
    TW_ASSIGN(entry.bytes, ReadBytes(reader, options_.device, entry.size));
    staged.Count(entry);
    return reader.EndBytes();
  }
  TW_ASSIGN(entry.extent, spill_->Reserve(entry.size));
  entry.checksum = record.checksum;
  const auto copy = [&](uint64_t offset, std::span<std::byte> piece) {
    TW_TRY(reader.Bytes(piece));
    return entry.extent.Write(offset, piece);
  };
  TW_TRY(InPieces(entry.size, copy));
  return reader.EndBytes();
}

}  // namespace thinwire
