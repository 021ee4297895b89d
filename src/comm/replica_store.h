// SPDX-License-Identifier: Apache-2.0
//
// ReplicaStore: what codecs with state keep between operations (residuals, references), as bytes;
// it knows no codec. A communicator owns one. docs/state.md says what users see of it,
// docs/design/006-replica-store.md why it is made so.
//
// Any thread may call anything. The lock is never held during I/O, so ending a lease never waits
// for a disk.

#ifndef THINWIRE_COMM_REPLICA_STORE_H_
#define THINWIRE_COMM_REPLICA_STORE_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "base/status.h"
#include "comm/replica_key.h"
#include "comm/replica_stream.h"
#include "comm/spill_file.h"
#include "comm/state_bytes.h"

namespace thinwire {

class ReplicaStore;

// One operation's hold on an entry: what it was, and room for what it becomes. Gone without Commit,
// it leaves the entry as it was. Must not outlive the store.
class ReplicaLease {
 public:
  ReplicaLease() = default;  // holds nothing
  ReplicaLease(ReplicaLease&& other) noexcept;
  ReplicaLease& operator=(ReplicaLease&& other) noexcept;
  ~ReplicaLease() { End(nullptr, 0); }

  // The entry's bytes; null on a first visit. May be kept beyond the lease.
  const std::shared_ptr<const StateBytes>& before() const { return before_; }
  // To be filled before Commit and left alone after it; not initialised.
  const std::shared_ptr<StateBytes>& after() const { return after_; }
  // Commits so far: 0 on a first visit.
  uint64_t version() const { return version_; }

  // `after` becomes the entry's bytes, without a copy. Ends the lease, which then holds nothing.
  void Commit() { Commit(version_ + 1); }
  // The same, with the version of whoever the bytes came from.
  void Commit(uint64_t version) { End(after_, version); }

 private:
  friend class ReplicaStore;
  ReplicaLease(ReplicaStore* store, const ReplicaKey& key, std::shared_ptr<const StateBytes> before,
               std::shared_ptr<StateBytes> after, uint64_t version)
      : store_(store),
        key_(key),
        before_(std::move(before)),
        after_(std::move(after)),
        version_(version) {}
  void End(std::shared_ptr<const StateBytes> committed, uint64_t version);

  ReplicaStore* store_ = nullptr;
  ReplicaKey key_;
  std::shared_ptr<const StateBytes> before_;
  std::shared_ptr<StateBytes> after_;
  uint64_t version_ = 0;
};

struct ReplicaOptions {
  // Of entries in memory, each counted once: the second buffer of a lease isn't. 0: no limit.
  size_t limit_bytes = 0;
  // Where entries beyond the limit go; empty: nowhere, new ones are refused.
  std::string folder = {};
  // Whose passes work on the entries; outlives the store. Null: the host's.
  Device* device = nullptr;
};

struct ReplicaFigures {
  uint64_t entries = 0;       // with state, wherever it is
  uint64_t memory_bytes = 0;  // what the limit is compared with
  uint64_t spilled_bytes = 0;
  uint64_t loads = 0;   // entries read back, since the store was made
  uint64_t spills = 0;  // entries written out
};

class ReplicaStore {
 public:
  explicit ReplicaStore(ReplicaOptions options);
  ~ReplicaStore();
  ReplicaStore(const ReplicaStore&) = delete;
  ReplicaStore& operator=(const ReplicaStore&) = delete;

  // Takes hold of an entry of `bytes` bytes, with its bytes in memory. Entries that no lease holds
  // leave memory, the least recently used first, while there is more than the limit.
  // Errors, after which the store holds what it held: kInvalidUsage (the key is held already, the
  // limit is reached and there is no folder, state is being saved or restored), kInvalidArgument
  // (the entry has another shape), kSystem (memory, disk, bytes that came back changed).
  Result<ReplicaLease> Acquire(const ReplicaKey& key, const ReplicaShape& shape, size_t bytes);

  // Entries of these users' keys count as used now, and those that are on disk are read by a thread
  // of the store: as many as the limit takes, in this order. What fails is left to Acquire to
  // report.
  void Prefetch(std::span<const uint64_t> users);

  // Drops all entries of a user's key; kInvalidUsage while one of them is held.
  Status Forget(uint64_t user);

  // All entries, in the order of their keys. kInvalidUsage while one is held. `write` must not call
  // into the store, but for figures.
  Status Save(const WriteFunction& write);
  // What Save wrote replaces all entries once it has been read to its end and checked; any error
  // leaves the store as it was. kInvalidArgument where the stream isn't whole; else as Save.
  Status Restore(const ReadFunction& read);

  // From now on a step of several operations, which UndoStep undoes as a whole: entries that were
  // committed to since BeginStep are as they were then. REQUIRES: no lease. What was before takes
  // memory beyond the limit until the next step begins.
  void BeginStep();
  void UndoStep();

  ReplicaFigures figures() const;

 private:
  friend class ReplicaLease;
  struct Entry {
    ReplicaKey key;
    ReplicaShape shape;
    size_t size = 0;
    uint64_t version = 0;  // 0: the first lease has not committed
    bool leased = false;
    bool reading = false;                     // by the thread that prefetches
    std::shared_ptr<const StateBytes> bytes;  // null: new, on disk, or on the way from there
    SpillFile::Extent extent;                 // not empty: on disk
    uint64_t checksum = 0;                    // of what the extent holds
    // Where it stands in Content::recent, from when room is made for its bytes until they go.
    std::optional<std::list<Entry*>::iterator> recent;
  };
  struct Content {
    std::map<ReplicaKey, Entry> entries;
    std::list<Entry*> recent;  // most recently used first
    size_t memory_bytes = 0;   // of those in `recent`

    void Count(Entry& entry);    // into memory, or as used now
    void Uncount(Entry& entry);  // out of memory
  };
  class Exclusive;

  Result<Entry*> Pin(std::unique_lock<std::mutex>& lock, const ReplicaKey& key,
                     const ReplicaShape& shape, size_t bytes);
  void Unpin(Entry& entry);
  void EndLease(const ReplicaKey& key, std::shared_ptr<const StateBytes> committed,
                uint64_t version);
  Status MakeRoom(std::unique_lock<std::mutex>& lock);
  Entry* LeastRecent();
  Status Spill(std::unique_lock<std::mutex>& lock, Entry& entry);
  Status Load(std::unique_lock<std::mutex>& lock, Entry& entry);
  void ReadAhead();
  void ReadAheadOne(std::unique_lock<std::mutex>& lock, const ReplicaKey& key);
  size_t HeldBytes() const;
  Status CheckNotExclusive() const;
  Status OverLimit(const char* what) const;

  static Status ChangedOnDisk(const Entry& entry);

  // replica_save.cc
  Status SaveEntry(const Entry& entry, ReplicaStreamWriter& writer) const;
  Status RestoreEntry(ReplicaStreamReader& reader, const ReplicaRecord& record, Content& staged);
  Status RestoreAll(const ReadFunction& read, Content& staged);

  const std::unique_ptr<Device> host_;  // where no device was given
  const ReplicaOptions options_;
  const std::unique_ptr<SpillFile> spill_;  // null without a folder; before what has extents
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // a read or write ended, there is something to read, stop
  Content content_;
  struct Past {
    std::shared_ptr<const StateBytes> bytes;
    uint64_t version = 0;  // 0: there was none
  };
  bool in_step_ = false;
  std::map<ReplicaKey, Past> step_;  // what was, where something was committed in the step
  uint64_t loads_ = 0;
  uint64_t spills_ = 0;
  const Entry* spilling_ = nullptr;  // being written by whoever makes room
  const char* exclusive_ = nullptr;  // "saved" or "restored": nobody else touches the content
  bool reading_ahead_ = false;       // the thread that prefetches is at work
  bool stop_ = false;
  std::deque<ReplicaKey> to_read_;
  std::thread reader_;  // from the first prefetch that has something to read
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_REPLICA_STORE_H_
