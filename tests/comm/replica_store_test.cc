// SPDX-License-Identifier: Apache-2.0
#include "comm/replica_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "comm/replica_support.h"
#include "comm/temporary_folder.h"

namespace thinwire {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr size_t kBytes = 1000;

// Changes a byte of the state that lies on disk, which has no name: through its descriptor.
void DamageSpilled(size_t at) {
  for (const auto& link : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(link, error).string();
    if (target.find("thinwire-state-") == std::string::npos) continue;
    const int file = std::stoi(link.path().filename().string());
    char byte = 0;
    ASSERT_EQ(::pread(file, &byte, 1, static_cast<off_t>(at)), 1);
    byte = static_cast<char>(byte ^ 1);
    ASSERT_EQ(::pwrite(file, &byte, 1, static_cast<off_t>(at)), 1);
    return;
  }
  FAIL() << "no spill file is open";
}

// Waits for what a thread of the store does; a store that never does it fails the test.
template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 20000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

TEST(ReplicaStoreTest, AFirstVisitFindsNothingAndRoom) {
  ReplicaStore store({});
  const ReplicaLease lease = Acquired(store, Key(7), kBytes);
  EXPECT_EQ(lease.before(), nullptr);
  EXPECT_EQ(lease.version(), 0u);
  ASSERT_NE(lease.after(), nullptr);
  EXPECT_EQ(lease.after()->size(), kBytes);
}

TEST(ReplicaStoreTest, WhatIsCommittedIsFoundByTheNextVisit) {
  ReplicaStore store({});
  for (int i = 0; i < 5; ++i) Advance(store, Key(7), kBytes);
  ExpectVersion(store, Key(7), kBytes, 5);
}

TEST(ReplicaStoreTest, CommittingMakesNoCopy) {
  ReplicaStore store({});
  ReplicaLease lease = Acquired(store, Key(7), kBytes);
  const std::byte* const data = lease.after()->data();
  lease.Commit();
  EXPECT_EQ(lease.after(), nullptr);
  EXPECT_EQ(Acquired(store, Key(7), kBytes).before()->data(), data);
}

TEST(ReplicaStoreTest, ALeaseThatIsDroppedLeavesTheEntryAsItWas) {
  ReplicaStore store({});
  { const ReplicaLease first = Acquired(store, Key(7), kBytes); }
  EXPECT_EQ(store.figures().entries, 0u);
  EXPECT_EQ(store.figures().memory_bytes, 0u);
  Advance(store, Key(7), kBytes);
  {
    const ReplicaLease lease = Acquired(store, Key(7), kBytes);
    Fill(Key(8), 3, lease.after()->span());
  }
  ExpectVersion(store, Key(7), kBytes, 1);
}

TEST(ReplicaStoreTest, AFirstVisitThatFailsLeavesNoShapeBehind) {
  ReplicaStore store({});
  { const ReplicaLease first = Acquired(store, Key(7), kBytes); }
  EXPECT_TRUE(store.Acquire(Key(7), Shape("tk"), 3).ok());
}

TEST(ReplicaStoreTest, AnUndoneStepLeavesEveryEntryAsItWasBefore) {
  const TemporaryFolder folder;
  for (const bool spills : {false, true}) {
    ReplicaStore store({.limit_bytes = spills ? kBytes : 0, .folder = folder.path()});
    Advance(store, Key(1), kBytes);
    Advance(store, Key(2), kBytes);
    store.BeginStep();
    for (int i = 0; i < 3; ++i) Advance(store, Key(1), kBytes);
    Advance(store, Key(3), kBytes);
    store.UndoStep();
    ExpectVersion(store, Key(1), kBytes, 1);
    ExpectVersion(store, Key(2), kBytes, 1);
    EXPECT_EQ(store.figures().entries, 2u);
    // What a step that is not undone did, stays.
    store.BeginStep();
    Advance(store, Key(1), kBytes);
    store.BeginStep();
    store.UndoStep();
    ExpectVersion(store, Key(1), kBytes, 2);
  }
}

TEST(ReplicaStoreTest, LeasesMove) {
  ReplicaStore store({});
  ReplicaLease outer;
  {
    ReplicaLease inner = Acquired(store, Key(7), kBytes);
    outer = std::move(inner);
  }
  EXPECT_EQ(store.Acquire(Key(7), Shape(), kBytes).status().code(), Code::kInvalidUsage);
  Fill(Key(7), 1, outer.after()->span());
  ReplicaLease third(std::move(outer));
  outer.Commit();  // holds nothing: nothing happens
  third.Commit();
  third.Commit();
  ExpectVersion(store, Key(7), kBytes, 1);
}

TEST(ReplicaStoreTest, ALeaseMovedOverAnotherEndsIt) {
  ReplicaStore store({});
  ReplicaLease lease = Acquired(store, Key(7), kBytes);
  lease = Acquired(store, Key(8), kBytes);
  EXPECT_TRUE(store.Acquire(Key(7), Shape(), kBytes).ok());
  EXPECT_FALSE(store.Acquire(Key(8), Shape(), kBytes).ok());
}

TEST(ReplicaStoreTest, AKeyInUseIsRefusedByName) {
  ReplicaStore store({});
  const ReplicaLease lease = Acquired(store, Key(7), kBytes);
  const Status status = store.Acquire(Key(7), Shape(), kBytes).status();
  EXPECT_EQ(status.code(), Code::kInvalidUsage);
  EXPECT_EQ(status.message(),
            "key 7 is in use by an operation that has not ended; wait for it first");
  EXPECT_TRUE(store.Acquire(Key(8), Shape(), kBytes).ok());
}

TEST(ReplicaStoreTest, EveryPartOfAKeyTellsEntriesApart) {
  ReplicaStore store({});
  const ReplicaKey key = Key(7);
  std::vector<ReplicaKey> keys(6, key);
  keys[1].user = 8;
  keys[2].operation = Operation::kAllGather;
  keys[3].sent = false;
  keys[4].peer = 0;
  keys[5].message = 1;
  std::vector<ReplicaLease> leases;
  for (const ReplicaKey& each : keys) leases.push_back(Acquired(store, each, kBytes));
  EXPECT_EQ(std::set<ReplicaKey>(keys.begin(), keys.end()).size(), keys.size());
}

TEST(ReplicaStoreTest, AnotherShapeIsRefusedNamingBothAndTheWayOut) {
  ReplicaStore store({});
  Advance(store, Key(7), kBytes);
  ReplicaShape other = Shape("rq4+ef");
  other.elements = 2000;
  const Status status = store.Acquire(Key(7), other, kBytes).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("1000 float as 'q8+ef' (sra, 4 ranks)"),
                                      HasSubstr("2000 float as 'rq4+ef' (sra, 4 ranks)"),
                                      HasSubstr("use another key, or forget key 7 first")));
  EXPECT_FALSE(store.Acquire(Key(7), Shape(), kBytes + 1).ok());
  ReplicaShape moved = Shape();
  moved.layout = "ring, 4 ranks";
  EXPECT_FALSE(store.Acquire(Key(7), moved, kBytes).ok());
  ReplicaShape halves = Shape();
  halves.dtype = DataType::kFloat16;
  EXPECT_FALSE(store.Acquire(Key(7), halves, kBytes).ok());
  ExpectVersion(store, Key(7), kBytes, 1);
  ASSERT_TRUE(store.Forget(7).ok());
  EXPECT_TRUE(store.Acquire(Key(7), other, kBytes).ok());
}

TEST(ReplicaStoreTest, TextsThatCantStandInAStreamAreRefused) {
  ReplicaStore store({});
  EXPECT_FALSE(store.Acquire(Key(7), Shape("q8\n"), kBytes).ok());
  EXPECT_FALSE(store.Acquire(Key(7), Shape(std::string(1025, 'q')), kBytes).ok());
  EXPECT_TRUE(store.Acquire(Key(7), Shape(std::string(1024, 'q')), kBytes).ok());
}

TEST(ReplicaStoreTest, BuffersOutliveTheirPlaceInTheStore) {
  ReplicaStore store({});
  Advance(store, Key(7), kBytes);
  const std::shared_ptr<const StateBytes> kept = Acquired(store, Key(7), kBytes).before();
  Advance(store, Key(7), kBytes);
  ASSERT_TRUE(store.Forget(7).ok());
  EXPECT_TRUE(Holds(Key(7), 1, kept->span()));
}

TEST(ReplicaStoreTest, ForgettingDropsAllEntriesOfAUserKeyAndNoOther) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = 2 * kBytes, .folder = folder.path()});
  for (const uint64_t user : {6u, 7u, 8u}) {
    for (uint16_t message = 0; message < 3; ++message) Advance(store, Key(user, message), kBytes);
  }
  ReplicaKey received = Key(7);
  received.operation = Operation::kBarrier;
  received.sent = false;
  Advance(store, received, kBytes);
  ASSERT_TRUE(store.Forget(7).ok());
  EXPECT_EQ(store.figures().entries, 6u);
  ExpectVersion(store, Key(7, 2), kBytes, 0);
  ExpectVersion(store, received, kBytes, 0);
  ExpectVersion(store, Key(6, 2), kBytes, 1);
  ExpectVersion(store, Key(8), kBytes, 1);
  EXPECT_TRUE(store.Forget(12345).ok());
}

TEST(ReplicaStoreTest, ForgettingWhatIsInUseIsRefused) {
  ReplicaStore store({});
  Advance(store, Key(7), kBytes);
  {
    const ReplicaLease lease = Acquired(store, Key(7, 1), kBytes);
    const Status status = store.Forget(7);
    EXPECT_EQ(status.code(), Code::kInvalidUsage);
    EXPECT_THAT(status.message(), HasSubstr("key 7"));
  }
  ExpectVersion(store, Key(7), kBytes, 1);
  EXPECT_TRUE(store.Forget(7).ok());
}

TEST(ReplicaStoreTest, TheLeastRecentlyUsedGoToDisk) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = 3 * kBytes, .folder = folder.path()});
  for (uint64_t user = 0; user < 3; ++user) Advance(store, Key(user), kBytes);
  EXPECT_EQ(store.figures().spills, 0u);
  ExpectVersion(store, Key(0), kBytes, 1);  // used: now 1 is the oldest
  Advance(store, Key(3), kBytes);
  EXPECT_EQ(store.figures().spills, 1u);
  EXPECT_EQ(store.figures().memory_bytes, 3 * kBytes);
  EXPECT_EQ(store.figures().spilled_bytes, kBytes);
  EXPECT_EQ(store.figures().entries, 4u);
  for (const uint64_t user : {0u, 2u, 3u}) ExpectVersion(store, Key(user), kBytes, 1);
  EXPECT_EQ(store.figures().loads, 0u);
  ExpectVersion(store, Key(1), kBytes, 1);
  EXPECT_EQ(store.figures().loads, 1u);
  EXPECT_EQ(store.figures().spills, 2u);
  EXPECT_EQ(store.figures().memory_bytes, 3 * kBytes);
}

TEST(ReplicaStoreTest, WhatIsInUseStaysInMemoryBeyondTheLimit) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = 2 * kBytes, .folder = folder.path()});
  std::vector<ReplicaLease> leases;
  for (uint64_t user = 0; user < 5; ++user) {
    leases.push_back(Acquired(store, Key(user), kBytes));
    Fill(Key(user), 1, leases.back().after()->span());
  }
  EXPECT_EQ(store.figures().memory_bytes, 5 * kBytes);
  EXPECT_EQ(store.figures().spills, 0u);
  for (ReplicaLease& lease : leases) lease.Commit();
  ExpectVersion(store, Key(4), kBytes, 1);  // the limit holds again
  EXPECT_EQ(store.figures().memory_bytes, 2 * kBytes);
  for (uint64_t user = 0; user < 5; ++user) ExpectVersion(store, Key(user), kBytes, 1);
}

TEST(ReplicaStoreTest, AnEntryLargerThanTheLimitIsServed) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = 10, .folder = folder.path()});
  for (int i = 0; i < 3; ++i) {
    Advance(store, Key(1), kBytes);
    Advance(store, Key(2), kBytes);
  }
  EXPECT_LE(store.figures().memory_bytes, kBytes);
}

TEST(ReplicaStoreTest, EntriesOfNoBytesAreKept) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = 10, .folder = folder.path()});
  Advance(store, Key(1), 0);
  Advance(store, Key(2), kBytes);
  Advance(store, Key(1), 0);
  ExpectVersion(store, Key(1), 0, 2);
}

TEST(ReplicaStoreTest, SpaceOnDiskIsUsedAgain) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = kBytes, .folder = folder.path()});
  // Two entries that take turns on the disk: it holds one at a time, or while they change both.
  const FullDisk full(2 * 4096);
  for (int i = 0; i < 50; ++i) {
    Advance(store, Key(1), kBytes);
    Advance(store, Key(2), kBytes);
  }
  EXPECT_EQ(store.figures().spills, 99u);
}

TEST(ReplicaStoreTest, WithoutAFolderTheLimitRefusesNewEntriesOnly) {
  ReplicaStore store({.limit_bytes = 2 * kBytes});
  Advance(store, Key(1), kBytes);
  Advance(store, Key(2), kBytes);
  const Status status = store.Acquire(Key(3), Shape(), kBytes).status();
  EXPECT_EQ(status.code(), Code::kInvalidUsage);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("key 3"), HasSubstr(FormatBytes(2 * kBytes)),
                    HasSubstr("THINWIRE_STATE_BYTES"), HasSubstr("THINWIRE_STATE_FOLDER")));
  Advance(store, Key(1), kBytes);
  ExpectVersion(store, Key(1), kBytes, 2);
  ExpectVersion(store, Key(2), kBytes, 1);
  EXPECT_EQ(store.figures().memory_bytes, 2 * kBytes);
  ASSERT_TRUE(store.Forget(2).ok());
  Advance(store, Key(3), kBytes);
}

TEST(ReplicaStoreTest, MoreThanTheMachineHasIsAnErrorNotAnEnd) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers end the process where memory runs out";
#endif
  ReplicaStore store({});
  const Status status = store.Acquire(Key(3), Shape(), size_t{1} << 60).status();
  EXPECT_EQ(status.code(), Code::kSystem);
  EXPECT_THAT(status.message(), HasSubstr("no memory"));
  EXPECT_EQ(store.figures().memory_bytes, 0u);
  Advance(store, Key(3), kBytes);
}

TEST(ReplicaStoreTest, AFolderThatCantBeWrittenLosesNothing) {
  const TemporaryFolder folder;
  const std::string missing = folder.path() + "/missing";
  ReplicaStore store({.limit_bytes = kBytes, .folder = missing});
  Advance(store, Key(1), kBytes);
  for (int i = 0; i < 2; ++i) {
    const Status status = store.Acquire(Key(2), Shape(), kBytes).status();
    EXPECT_EQ(status.code(), Code::kSystem);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr("key 2"), HasSubstr(missing), HasSubstr("No such file")));
  }
  EXPECT_EQ(store.figures().memory_bytes, kBytes);
  EXPECT_EQ(store.figures().entries, 1u);
  ExpectVersion(store, Key(1), kBytes, 1);
}

TEST(ReplicaStoreTest, AFullDiskLosesNothing) {
  const TemporaryFolder folder;
  constexpr size_t kLarge = 100000;
  ReplicaStore store({.limit_bytes = 2 * kLarge, .folder = folder.path()});
  for (uint64_t user = 0; user < 3; ++user) Advance(store, Key(user), kLarge);
  Status fresh;
  Status known;
  {
    const FullDisk full(kLarge + 50000);  // one entry is there, and half of another fits
    fresh = store.Acquire(Key(3), Shape(), kLarge).status();
    known = store.Acquire(Key(0), Shape(), kLarge).status();  // which is on disk
  }
  for (const Status& status : {fresh, known}) {
    EXPECT_EQ(status.code(), Code::kSystem);
    EXPECT_THAT(status.message(), AllOf(HasSubstr(folder.path()), HasSubstr("File too large")));
  }
  EXPECT_EQ(store.figures().memory_bytes, 2 * kLarge);
  EXPECT_EQ(store.figures().spilled_bytes, kLarge);
  for (uint64_t user = 0; user < 3; ++user) Advance(store, Key(user), kLarge);
  Advance(store, Key(3), kLarge);
  for (uint64_t user = 0; user < 3; ++user) ExpectVersion(store, Key(user), kLarge, 2);
}

TEST(ReplicaStoreTest, BytesThatChangedOnDiskAreAnErrorThatNamesTheKey) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = kBytes, .folder = folder.path()});
  Advance(store, Key(7), kBytes);
  Advance(store, Key(8), kBytes);
  DamageSpilled(500);
  for (int i = 0; i < 2; ++i) {
    const Status status = store.Acquire(Key(7), Shape(), kBytes).status();
    EXPECT_EQ(status.code(), Code::kSystem);
    EXPECT_THAT(status.message(), AllOf(HasSubstr("key 7"), HasSubstr("changed")));
  }
  EXPECT_EQ(store.figures().memory_bytes, 0u);  // 8 made room for it
  ExpectVersion(store, Key(8), kBytes, 1);
  std::string stream;
  const Status status = store.Save(Into(&stream));
  EXPECT_EQ(status.code(), Code::kSystem);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("key 7"), Not(HasSubstr("key 8"))));
  ASSERT_TRUE(store.Forget(7).ok());
  Advance(store, Key(7), kBytes);
}

TEST(ReplicaStoreTest, PrefetchReadsAheadInTheBackground) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = 4 * kBytes, .folder = folder.path()});
  for (uint64_t user = 0; user < 8; ++user) Advance(store, Key(user), kBytes);
  store.Prefetch(std::vector<uint64_t>{0, 1, 4, 99});  // 4 is in memory, the oldest there
  ASSERT_TRUE(Eventually([&store] { return store.figures().loads == 2; }));
  EXPECT_LE(store.figures().memory_bytes, 4 * kBytes);
  for (const uint64_t user : {0u, 1u, 4u}) ExpectVersion(store, Key(user), kBytes, 1);
  EXPECT_EQ(store.figures().loads, 2u);
  // They count as used: the next to go is another.
  Advance(store, Key(8), kBytes);
  for (const uint64_t user : {0u, 1u, 4u}) ExpectVersion(store, Key(user), kBytes, 1);
  EXPECT_EQ(store.figures().loads, 2u);
}

TEST(ReplicaStoreTest, PrefetchTakesNoMoreThanTheLimit) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = 2 * kBytes + 10, .folder = folder.path()});
  Advance(store, Key(100), 10);
  for (uint64_t user = 0; user < 8; ++user) Advance(store, Key(user), kBytes);
  store.Prefetch(std::vector<uint64_t>{0, 1, 2, 3});
  ASSERT_TRUE(Eventually([&store] { return store.figures().loads == 2; }));
  ExpectVersion(store, Key(0), kBytes, 1);
  ExpectVersion(store, Key(1), kBytes, 1);
  EXPECT_EQ(store.figures().loads, 2u);
  // What is held can't make room: 2 stays where it is, 100 fits beside.
  const ReplicaLease held = Acquired(store, Key(0), kBytes);
  const ReplicaLease too = Acquired(store, Key(1), kBytes);
  store.Prefetch(std::vector<uint64_t>{2, 100});
  ASSERT_TRUE(Eventually([&store] { return store.figures().loads == 3; }));
  EXPECT_EQ(store.figures().memory_bytes, 2 * kBytes + 10);
}

// Entries so large that reading and writing them takes a while; only their start is looked at.
constexpr size_t kHuge = size_t{16} << 20;

void AdvanceHuge(ReplicaStore& store, const ReplicaKey& key) {
  ReplicaLease lease = Acquired(store, key, kHuge);
  ASSERT_NE(lease.after(), nullptr);
  if (lease.before() != nullptr) {
    ASSERT_TRUE(Holds(key, lease.version(), lease.before()->span().first(64)));
  }
  Fill(key, lease.version() + 1, lease.after()->span().first(64));
  lease.Commit();
}

TEST(ReplicaStoreTest, AcquireOfAKeyBeingReadWaitsForIt) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = kHuge, .folder = folder.path()});
  AdvanceHuge(store, Key(0));
  for (uint64_t i = 1; i <= 10; ++i) {
    AdvanceHuge(store, Key(1));
    const uint64_t loads = store.figures().loads;
    store.Prefetch(std::vector<uint64_t>{0});
    // It has begun: there is room for it, or it is there.
    while (store.figures().memory_bytes == kHuge && store.figures().loads == loads) {
      std::this_thread::yield();
    }
    AdvanceHuge(store, Key(0));
    EXPECT_EQ(store.figures().loads, loads + 1);
    EXPECT_EQ(store.figures().memory_bytes, kHuge);
  }
}

TEST(ReplicaStoreTest, AnEntryUsedWhileItIsWrittenOutStays) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = kHuge, .folder = folder.path()});
  for (int round = 0; round < 10; ++round) {
    AdvanceHuge(store, Key(0));
    const uint64_t spills = store.figures().spills;
    std::atomic<bool> begun = false;
    std::thread other([&] {
      begun = true;
      const ReplicaLease lease = Acquired(store, Key(1), kHuge);  // 0 has to go
    });
    while (!begun || (store.figures().memory_bytes == kHuge && store.figures().spills == spills)) {
      std::this_thread::yield();
    }
    AdvanceHuge(store, Key(0));
    other.join();
  }
  const ReplicaLease lease = Acquired(store, Key(0), kHuge);
  EXPECT_EQ(lease.version(), 20u);
  EXPECT_EQ(store.figures().memory_bytes, kHuge);
  EXPECT_TRUE(Holds(Key(0), 20, lease.before()->span().first(64)));
}

TEST(ReplicaStoreTest, AStoreEndsWhileItReadsAhead) {
  const TemporaryFolder folder;
  for (int i = 0; i < 20; ++i) {
    ReplicaStore store({.limit_bytes = kBytes, .folder = folder.path()});
    for (uint64_t user = 0; user < 4; ++user) Advance(store, Key(user), kBytes);
    store.Prefetch(std::vector<uint64_t>{0, 1, 2, 3});
  }
}

TEST(ReplicaStoreTest, ForgettingDuringPrefetchLeavesNothing) {
  const TemporaryFolder folder;
  for (int i = 0; i < 20; ++i) {
    ReplicaStore store({.limit_bytes = 4 * kBytes, .folder = folder.path()});
    for (uint64_t user = 0; user < 8; ++user) Advance(store, Key(user), kBytes);
    store.Prefetch(std::vector<uint64_t>{0, 1, 2, 3});
    for (uint64_t user = 0; user < 8; ++user) EXPECT_TRUE(store.Forget(user).ok());
    const ReplicaFigures figures = store.figures();
    EXPECT_EQ(figures.entries, 0u);
    EXPECT_EQ(figures.memory_bytes, 0u);
    EXPECT_EQ(figures.spilled_bytes, 0u);
  }
}

TEST(ReplicaStoreTest, LeasesEndOnAnyThread) {
  ReplicaStore store({});
  ReplicaLease lease = Acquired(store, Key(7), kBytes);
  Fill(Key(7), 1, lease.after()->span());
  std::thread([moved = std::move(lease)]() mutable { moved.Commit(); }).join();
  ExpectVersion(store, Key(7), kBytes, 1);
}

// Threads that visit the same keys under a limit, while others read ahead and save.
class Crowd {
 public:
  static constexpr uint64_t kKeys = 12;
  static size_t BytesOf(uint64_t user) { return 500 + 300 * user; }

  explicit Crowd(ReplicaStore& store) : store_(store) {}

  void Visit(uint32_t seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 400; ++i) {
      const ReplicaKey key = Key(random() % kKeys);
      Result<ReplicaLease> lease = store_.Acquire(key, Shape(), BytesOf(key.user));
      if (!lease.ok()) {
        // Somebody else has it, or saves.
        if (lease.status().code() != Code::kInvalidUsage) ++wrong_;
        continue;
      }
      if (lease->version() != commits_[key.user]) ++wrong_;
      const auto& before = lease->before();
      if (before != nullptr && !Holds(key, lease->version(), before->span())) ++wrong_;
      Fill(key, lease->version() + 1, lease->after()->span());
      if (random() % 4 == 0) continue;
      ++commits_[key.user];
      lease->Commit();
    }
  }

  void ReadAhead() {
    for (uint64_t i = 0; !done_; ++i) {
      store_.Prefetch(std::vector<uint64_t>{i % kKeys, (i + 5) % kKeys});
      std::this_thread::yield();
    }
  }

  void Save() {
    while (!done_) {
      std::string stream;
      if (store_.Save(Into(&stream)).ok()) {
        ReplicaStore copy({});
        if (!copy.Restore(From(stream)).ok()) ++wrong_;
      }
      std::this_thread::yield();
    }
  }

  void Run() {
    std::vector<std::thread> visitors;
    for (uint32_t seed = 0; seed < 4; ++seed) visitors.emplace_back(&Crowd::Visit, this, seed);
    std::thread reader(&Crowd::ReadAhead, this);
    std::thread saver(&Crowd::Save, this);
    for (std::thread& visitor : visitors) visitor.join();
    done_ = true;
    reader.join();
    saver.join();
    EXPECT_EQ(wrong_, 0);
    for (uint64_t user = 0; user < kKeys; ++user) {
      ExpectVersion(store_, Key(user), BytesOf(user), commits_[user]);
    }
  }

 private:
  ReplicaStore& store_;
  std::array<std::atomic<uint64_t>, kKeys> commits_ = {};
  std::atomic<int> wrong_ = 0;
  std::atomic<bool> done_ = false;
};

TEST(ReplicaStoreTest, ThreadsShareAStoreThatSpills) {
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = 6000, .folder = folder.path()});
  Crowd(store).Run();
  EXPECT_GT(store.figures().spills, 0u);
  EXPECT_GT(store.figures().loads, 0u);
}

TEST(ReplicaStoreTest, ThreadsShareAStoreInMemory) {
  ReplicaStore store({});
  Crowd(store).Run();
  EXPECT_EQ(store.figures().spills, 0u);
}

}  // namespace
}  // namespace thinwire
