// SPDX-License-Identifier: Apache-2.0
#include "comm/replica_store.h"

#include <cassert>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "base/units.h"

namespace thinwire {
namespace {

// No key of this user comes before it.
ReplicaKey FirstOf(uint64_t user) {
  return {.user = user, .operation = Operation{0}, .peer = std::numeric_limits<int>::min()};
}

ReplicaOptions Completed(ReplicaOptions options, Device* host) {
  if (options.device == nullptr) options.device = host;
  return options;
}

}  // namespace

ReplicaLease::ReplicaLease(ReplicaLease&& other) noexcept { *this = std::move(other); }

ReplicaLease& ReplicaLease::operator=(ReplicaLease&& other) noexcept {
  if (this == &other) return *this;
  End(nullptr, 0);
  store_ = std::exchange(other.store_, nullptr);
  key_ = other.key_;
  before_ = std::move(other.before_);
  after_ = std::move(other.after_);
  version_ = std::exchange(other.version_, 0);
  return *this;
}

void ReplicaLease::End(std::shared_ptr<const StateBytes> committed, uint64_t version) {
  if (store_ == nullptr) return;
  std::exchange(store_, nullptr)->EndLease(key_, std::move(committed), version);
  before_ = nullptr;
  after_ = nullptr;
  version_ = 0;
}

void ReplicaStore::Content::Count(Entry& entry) {
  if (entry.recent) {
    recent.splice(recent.begin(), recent, *entry.recent);
    return;
  }
  entry.recent = recent.insert(recent.begin(), &entry);
  memory_bytes += entry.size;
}

void ReplicaStore::Content::Uncount(Entry& entry) {
  if (!entry.recent) return;
  recent.erase(*entry.recent);
  entry.recent.reset();
  memory_bytes -= entry.size;
}

ReplicaStore::ReplicaStore(ReplicaOptions options)
    : host_(options.device == nullptr ? MakeHostDevice() : nullptr),
      options_(Completed(std::move(options), host_.get())),
      spill_(options_.folder.empty() ? nullptr : std::make_unique<SpillFile>(options_.folder)) {}

ReplicaStore::~ReplicaStore() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    for ([[maybe_unused]] const auto& [key, entry] : content_.entries) assert(!entry.leased);
  }
  changed_.notify_all();
  if (reader_.joinable()) reader_.join();
}

Status ReplicaStore::CheckNotExclusive() const {
  if (exclusive_ == nullptr) return {};
  return InvalidUsage("the state is being {}; call again when that has ended", exclusive_);
}

Status ReplicaStore::OverLimit(const char* what) const {
  return InvalidUsage(
      "{} would pass the limit of {} (stateBytes, THINWIRE_STATE_BYTES): raise it, or name a "
      "folder where the rest may go (stateFolder, THINWIRE_STATE_FOLDER)",
      what, FormatBytes(options_.limit_bytes));
}

Status ReplicaStore::ChangedOnDisk(const Entry& entry) {
  return SystemError(
      "its state came back from the disk changed, so disk or memory is faulty: forget key {} to "
      "begin anew",
      entry.key.user);
}

Result<ReplicaLease> ReplicaStore::Acquire(const ReplicaKey& key, const ReplicaShape& shape,
                                           size_t bytes) {
  TW_TRY(shape.Check());
  std::unique_lock lock(mutex_);
  TW_ASSIGN(Entry* const entry, Pin(lock, key, shape, bytes));
  // What is in memory needs no room: it doesn't wait while somebody else makes some.
  const bool needs_no_wait = entry->bytes != nullptr && spilling_ != nullptr;
  Status status = needs_no_wait ? Status() : MakeRoom(lock);
  if (status.ok() && !entry->extent.empty()) status = Load(lock, *entry);
  if (status.ok()) {
    Result<std::shared_ptr<StateBytes>> after = StateBytes::Make(options_.device, bytes);
    if (after.ok()) {
      return ReplicaLease(this, key, entry->bytes, std::move(after).value(), entry->version);
    }
    status = after.status();
  }
  Unpin(*entry);
  return status.WithContext(key.Text());
}

// Marks the entry as leased and as used now, and makes it if there is none.
Result<ReplicaStore::Entry*> ReplicaStore::Pin(std::unique_lock<std::mutex>& lock,
                                               const ReplicaKey& key, const ReplicaShape& shape,
                                               size_t bytes) {
  while (true) {
    TW_TRY(CheckNotExclusive());
    auto found = content_.entries.find(key);
    if (found != content_.entries.end() && found->second.reading) {
      changed_.wait(lock);
      continue;
    }
    if (found == content_.entries.end()) {
      found = content_.entries.try_emplace(key).first;
      found->second.key = key;
      found->second.shape = shape;
      found->second.size = bytes;
    }
    Entry& entry = found->second;
    if (entry.leased) {
      return InvalidUsage("key {} is in use by an operation that has not ended; wait for it first",
                          key.user);
    }
    if (entry.shape != shape || entry.size != bytes) {
      return InvalidArgument(
          "key {} keeps state of {} in {} bytes; this call is for {} in {} bytes: use another key, "
          "or forget key {} first",
          key.user, entry.shape.Text(), entry.size, shape.Text(), bytes, key.user);
    }
    entry.leased = true;
    content_.Count(entry);
    return &entry;
  }
}

void ReplicaStore::Unpin(Entry& entry) {
  entry.leased = false;
  if (entry.bytes == nullptr) content_.Uncount(entry);
  if (entry.version == 0) content_.entries.erase(ReplicaKey(entry.key));
}

void ReplicaStore::EndLease(const ReplicaKey& key, std::shared_ptr<const StateBytes> committed,
                            uint64_t version) {
  std::shared_ptr<const StateBytes> old;  // may be the last hold on it: freed after the lock
  const std::lock_guard lock(mutex_);
  Entry& entry = content_.entries.find(key)->second;
  if (committed != nullptr) {
    old = std::exchange(entry.bytes, std::move(committed));
    if (in_step_) step_.try_emplace(key, Past{old, entry.version});
    entry.version = version;
  }
  Unpin(entry);
}

// Writes entries out until the rest keeps within the limit, or is all in use.
Status ReplicaStore::MakeRoom(std::unique_lock<std::mutex>& lock) {
  while (options_.limit_bytes != 0 && content_.memory_bytes > options_.limit_bytes) {
    if (spill_ == nullptr) return OverLimit("its state");
    if (spilling_ != nullptr) {
      changed_.wait(lock);
      continue;
    }
    Entry* const victim = LeastRecent();
    if (victim == nullptr) return {};
    TW_TRY(Spill(lock, *victim));
  }
  return {};
}

ReplicaStore::Entry* ReplicaStore::LeastRecent() {
  for (auto it = content_.recent.rbegin(); it != content_.recent.rend(); ++it) {
    Entry& entry = **it;
    if (!entry.leased && !entry.reading && entry.size != 0) return &entry;
  }
  return nullptr;
}

// The entry may be leased and committed meanwhile: what is written is a buffer that can't change,
// and counts only if nothing has happened to the entry.
Status ReplicaStore::Spill(std::unique_lock<std::mutex>& lock, Entry& entry) {
  std::shared_ptr<const StateBytes> bytes = entry.bytes;
  spilling_ = &entry;
  lock.unlock();
  const uint64_t checksum = Xxh3(bytes->span());
  Result<SpillFile::Extent> extent = spill_->Reserve(bytes->size());
  const Status status = extent.ok() ? extent->Write(0, bytes->span()) : extent.status();
  lock.lock();
  spilling_ = nullptr;
  changed_.notify_all();
  TW_TRY(status);
  if (!entry.leased && entry.bytes == bytes) {
    entry.extent = std::move(extent).value();
    entry.checksum = checksum;
    entry.bytes = nullptr;
    content_.Uncount(entry);
    ++spills_;
  }
  lock.unlock();
  bytes = nullptr;
  extent = SpillFile::Extent();
  lock.lock();
  return {};
}

// For an entry that is leased or being read, so that nobody else touches it.
Status ReplicaStore::Load(std::unique_lock<std::mutex>& lock, Entry& entry) {
  lock.unlock();
  Result<std::shared_ptr<StateBytes>> bytes = StateBytes::Make(options_.device, entry.size);
  Status status = bytes.ok() ? entry.extent.Read(0, bytes.value()->span()) : bytes.status();
  if (status.ok() && Xxh3(bytes.value()->span()) != entry.checksum) {
    status = ChangedOnDisk(entry);
  }
  lock.lock();
  TW_TRY(status);
  SpillFile::Extent read = std::move(entry.extent);
  entry.bytes = std::move(bytes).value();
  ++loads_;
  lock.unlock();
  read = SpillFile::Extent();
  lock.lock();
  return {};
}

void ReplicaStore::Prefetch(std::span<const uint64_t> users) {
  const std::lock_guard lock(mutex_);
  size_t room = options_.limit_bytes != 0 ? options_.limit_bytes : SIZE_MAX;
  for (const uint64_t user : users) {
    for (auto it = content_.entries.lower_bound(FirstOf(user));
         it != content_.entries.end() && it->first.user == user; ++it) {
      Entry& entry = it->second;
      if (entry.size > room) continue;
      room -= entry.size;
      if (entry.recent) {
        content_.Count(entry);
      } else {
        to_read_.push_back(it->first);
      }
    }
  }
  if (to_read_.empty()) return;
  changed_.notify_all();
  if (reader_.joinable()) return;
  try {
    reader_ = std::thread(&ReplicaStore::ReadAhead, this);
  } catch (const std::system_error& error) {
    TW_LOG(kWarn, "state is not prefetched: no thread: {}", error.what());
    to_read_.clear();
  }
}

void ReplicaStore::ReadAhead() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || (!to_read_.empty() && exclusive_ == nullptr); });
    if (stop_) return;
    const ReplicaKey key = to_read_.front();
    to_read_.pop_front();
    reading_ahead_ = true;
    ReadAheadOne(lock, key);
    reading_ahead_ = false;
    changed_.notify_all();
  }
}

void ReplicaStore::ReadAheadOne(std::unique_lock<std::mutex>& lock, const ReplicaKey& key) {
  const auto found = content_.entries.find(key);
  if (found == content_.entries.end()) return;
  Entry& entry = found->second;
  if (entry.leased || entry.extent.empty()) return;
  // What is held can't make room.
  const size_t limit = options_.limit_bytes;
  if (limit != 0 && HeldBytes() + entry.size > limit) return;
  entry.reading = true;
  content_.Count(entry);
  Status status = MakeRoom(lock);
  if (status.ok()) status = Load(lock, entry);
  entry.reading = false;
  if (!status.ok()) content_.Uncount(entry);  // Acquire will meet the error, too, and report it
}

size_t ReplicaStore::HeldBytes() const {
  size_t bytes = 0;
  for (const Entry* entry : content_.recent) {
    if (entry->leased || entry->reading) bytes += entry->size;
  }
  return bytes;
}

Status ReplicaStore::Forget(uint64_t user) {
  std::vector<decltype(content_.entries)::node_type> dropped;  // freed after the lock
  std::unique_lock lock(mutex_);
  while (true) {
    TW_TRY(CheckNotExclusive());
    bool busy = false;
    auto it = content_.entries.lower_bound(FirstOf(user));
    const auto begin = it;
    for (; it != content_.entries.end() && it->first.user == user; ++it) {
      const Entry& entry = it->second;
      if (entry.leased) {
        return InvalidUsage("{} is in use by an operation that has not ended; wait for it first",
                            entry.key.Text());
      }
      busy = busy || entry.reading || &entry == spilling_;
    }
    if (!busy) {
      for (auto at = begin; at != it;) {
        content_.Uncount(at->second);
        dropped.push_back(content_.entries.extract(at++));
      }
      return {};
    }
    changed_.wait(lock);
  }
}

void ReplicaStore::BeginStep() {
  std::map<ReplicaKey, Past> past;  // freed after the lock
  const std::lock_guard lock(mutex_);
  in_step_ = true;
  past.swap(step_);
}

void ReplicaStore::UndoStep() {
  std::map<ReplicaKey, Past> past;  // freed after the lock, like the next two
  std::vector<decltype(content_.entries)::node_type> dropped;
  std::vector<SpillFile::Extent> extents;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return spilling_ == nullptr && !reading_ahead_; });
  past.swap(step_);
  for (auto& [key, before] : past) {
    const auto found = content_.entries.find(key);
    if (found == content_.entries.end()) continue;  // forgotten meanwhile
    Entry& entry = found->second;
    if (before.version == 0) {
      content_.Uncount(entry);
      dropped.push_back(content_.entries.extract(found));
      continue;
    }
    std::swap(entry.bytes, before.bytes);
    entry.version = before.version;
    extents.push_back(std::exchange(entry.extent, SpillFile::Extent()));
    content_.Count(entry);
  }
}

ReplicaFigures ReplicaStore::figures() const {
  const std::lock_guard lock(mutex_);
  ReplicaFigures figures = {
      .memory_bytes = content_.memory_bytes, .loads = loads_, .spills = spills_};
  for (const auto& [key, entry] : content_.entries) {
    if (entry.version != 0) ++figures.entries;
    if (!entry.extent.empty()) figures.spilled_bytes += entry.size;
  }
  return figures;
}

}  // namespace thinwire
