// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

#include "comm/replica_support.h"
#include "comm/temporary_folder.h"
#include "wire/hex_block.h"

namespace thinwire {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr size_t kBytes = 1000;

void Fill(ReplicaStore& store, uint64_t users, size_t bytes) {
  for (uint64_t user = 0; user < users; ++user) Advance(store, Key(user), bytes);
}

// A store with little in it, and its stream.
void FillSmall(ReplicaStore& store) {
  Advance(store, Key(1), 5);
  Advance(store, Key(1), 5);
  Advance(store, Key(2, 3), 9);
  ReplicaKey received = Key(2);
  received.sent = false;
  received.peer = 1;
  Advance(store, received, 0);
}

std::string SmallStream() {
  ReplicaStore store({});
  FillSmall(store);
  return Saved(store);
}

// A stream with right checksums, whatever it says.
std::string Made(const std::vector<ReplicaRecord>& records, size_t bytes_each) {
  std::string stream;
  const WriteFunction write = Into(&stream);
  ReplicaStreamWriter writer(write);
  EXPECT_TRUE(writer.Begin().ok());
  const std::vector<std::byte> bytes(bytes_each);
  for (ReplicaRecord record : records) {
    record.checksum = Xxh3(bytes);
    EXPECT_TRUE(writer.Entry(record).ok());
    EXPECT_TRUE(writer.Bytes(bytes).ok());
  }
  EXPECT_TRUE(writer.End().ok());
  return stream;
}

ReplicaRecord Record(uint64_t user, uint64_t bytes) {
  return {.key = Key(user), .shape = Shape(), .version = 1, .bytes = bytes};
}

// Restores what must be refused, and checks that nothing has changed.
Status Refused(ReplicaStore& store, const std::string& stream) {
  const std::string before = Saved(store);
  const Status status = store.Restore(From(stream));
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(Saved(store), before);
  return status;
}

TEST(ReplicaSaveTest, WhatIsSavedIsRestored) {
  const std::string stream = SmallStream();
  ReplicaStore store({});
  Advance(store, Key(99), kBytes);  // gives way
  ASSERT_TRUE(store.Restore(From(stream)).ok());
  EXPECT_EQ(store.figures().entries, 3u);
  EXPECT_EQ(store.figures().memory_bytes, 14u);
  EXPECT_EQ(Saved(store), stream);
  ExpectVersion(store, Key(1), 5, 2);
  ExpectVersion(store, Key(2, 3), 9, 1);
  ExpectVersion(store, Key(99), kBytes, 0);
  const Status status = store.Acquire(Key(1), Shape("tk+ef"), 5).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
}

TEST(ReplicaSaveTest, AnEmptyStoreIsSavedAndRestored) {
  ReplicaStore empty({});
  ReplicaStore store({});
  Advance(store, Key(1), kBytes);
  ASSERT_TRUE(store.Restore(From(Saved(empty))).ok());
  EXPECT_EQ(store.figures().entries, 0u);
  EXPECT_EQ(store.figures().memory_bytes, 0u);
}

TEST(ReplicaSaveTest, TheStreamIsThatOfTheDocument) {
  const std::vector<std::byte> block = HexBlock("state", "docs/state.md");
  ASSERT_FALSE(block.empty());
  const std::string document(reinterpret_cast<const char*>(block.data()), block.size());
  ReplicaStore store({});
  const ReplicaKey key = {.user = 7, .sent = true, .message = 2};
  const ReplicaShape shape = {.codec = "rq4+ef", .elements = 6, .layout = "sra, 4 ranks"};
  for (int i = 0; i < 3; ++i) {
    Result<ReplicaLease> lease = store.Acquire(key, shape, 4);
    ASSERT_TRUE(lease.ok());
    for (int at = 0; at < 4; ++at) lease->after()->data()[at] = std::byte(at + 1);
    lease->Commit();
  }
  EXPECT_EQ(Saved(store), document);
  ReplicaStore other({});
  ASSERT_TRUE(other.Restore(From(document)).ok());
  EXPECT_EQ(Saved(other), document);
}

TEST(ReplicaSaveTest, EqualContentGivesEqualStreams) {
  const TemporaryFolder folder;
  ReplicaStore plain({});
  ReplicaStore spilling({.limit_bytes = 2 * kBytes, .folder = folder.path()});
  for (const uint64_t user : {5u, 2u, 9u, 1u}) Advance(plain, Key(user), kBytes);
  for (const uint64_t user : {1u, 9u, 5u, 2u}) Advance(spilling, Key(user), kBytes);
  EXPECT_EQ(Saved(plain), Saved(spilling));
}

TEST(ReplicaSaveTest, WhatIsOnDiskIsSavedFromThere) {
  const TemporaryFolder folder;
  constexpr size_t kLarge = (size_t{5} << 20) / 2;  // more than a piece
  ReplicaStore store({.limit_bytes = kLarge, .folder = folder.path()});
  Fill(store, 3, kLarge);
  const std::string stream = Saved(store);
  EXPECT_EQ(store.figures().loads, 0u);
  EXPECT_EQ(store.figures().memory_bytes, kLarge);
  EXPECT_EQ(store.figures().spilled_bytes, 2 * kLarge);
  ReplicaStore copy({});
  ASSERT_TRUE(copy.Restore(From(stream)).ok());
  for (uint64_t user = 0; user < 3; ++user) ExpectVersion(copy, Key(user), kLarge, 1);
}

TEST(ReplicaSaveTest, WhatIsOverTheLimitIsRestoredToDisk) {
  const TemporaryFolder folder;
  constexpr size_t kLarge = (size_t{5} << 20) / 2;
  ReplicaStore source({});
  Fill(source, 4, kLarge);
  const std::string stream = Saved(source);
  ReplicaStore store({.limit_bytes = 2 * kLarge, .folder = folder.path()});
  Advance(store, Key(50), kLarge);  // counts until it gives way
  ASSERT_TRUE(store.Restore(From(stream)).ok());
  EXPECT_EQ(store.figures().memory_bytes, kLarge);
  EXPECT_EQ(store.figures().spilled_bytes, 3 * kLarge);
  EXPECT_EQ(Saved(store), stream);
  for (uint64_t user = 0; user < 4; ++user) ExpectVersion(store, Key(user), kLarge, 1);
}

TEST(ReplicaSaveTest, WithoutAFolderTheLimitRefusesTheStream) {
  ReplicaStore source({});
  Fill(source, 4, kBytes);
  ReplicaStore store({.limit_bytes = 3 * kBytes});
  Advance(store, Key(50), kBytes);
  const Status status = Refused(store, Saved(source));
  EXPECT_EQ(status.code(), Code::kInvalidUsage);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("record 4"), HasSubstr("THINWIRE_STATE_BYTES")));
  ASSERT_TRUE(source.Forget(0).ok());
  EXPECT_TRUE(store.Restore(From(Saved(source))).ok());  // what gives way doesn't count
}

TEST(ReplicaSaveTest, LargeEntriesGrowAsTheirBytesCome) {
  constexpr size_t kLarge = 10000001;
  ReplicaStore source({});
  Advance(source, Key(1), kLarge);
  ReplicaStore store({});
  ASSERT_TRUE(store.Restore(From(Saved(source))).ok());
  ExpectVersion(store, Key(1), kLarge, 1);
}

TEST(ReplicaSaveTest, NothingIsReadBeyondTheEnd) {
  const std::string stream = SmallStream() + "what follows";
  size_t taken = 0;
  const ReadFunction read = From(stream);
  ReplicaStore store({});
  ASSERT_TRUE(store
                  .Restore([&](void* bytes, size_t size) {
                    taken += size;
                    return read(bytes, size);
                  })
                  .ok());
  EXPECT_EQ(taken, SmallStream().size());
}

TEST(ReplicaSaveTest, AStoreInUseIsNeitherSavedNorRestored) {
  const std::string stream = SmallStream();
  ReplicaStore store({});
  Advance(store, Key(7), kBytes);
  const ReplicaLease lease = Acquired(store, Key(7), kBytes);
  std::string unused;
  for (const Status& status : {store.Save(Into(&unused)), store.Restore(From(stream))}) {
    EXPECT_EQ(status.code(), Code::kInvalidUsage);
    EXPECT_THAT(status.message(), HasSubstr("key 7"));
  }
  EXPECT_EQ(unused, "");
}

TEST(ReplicaSaveTest, CallsFromWithinASaveAreRefusedAndDontHang) {
  ReplicaStore store({});
  Advance(store, Key(7), kBytes);
  std::vector<Status> inside;
  const WriteFunction write = [&](const void*, size_t) {
    inside = {store.Acquire(Key(7), Shape(), kBytes).status(), store.Forget(7),
              store.Restore(From("")), store.Save([](const void*, size_t) { return Status(); })};
    return Status();
  };
  ASSERT_TRUE(store.Save(write).ok());
  ASSERT_EQ(inside.size(), 4u);
  for (const Status& status : inside) {
    EXPECT_EQ(status.code(), Code::kInvalidUsage);
    EXPECT_THAT(status.message(), HasSubstr("being saved"));
  }
  ExpectVersion(store, Key(7), kBytes, 1);
}

TEST(ReplicaSaveTest, AWriterThatFailsEndsTheSaveAndNothingElse) {
  ReplicaStore store({});
  Advance(store, Key(7), kBytes);
  for (int good = 0; good < 4; ++good) {
    int calls = 0;
    const Status status = store.Save([&](const void*, size_t) {
      return calls++ < good ? Status() : SystemError("the archive is full");
    });
    EXPECT_EQ(status.code(), Code::kSystem) << good;
    EXPECT_THAT(status.message(), HasSubstr("the archive is full"));
    EXPECT_EQ(calls, good + 1);
  }
  Advance(store, Key(7), kBytes);
}

TEST(ReplicaSaveTest, EveryFlippedByteIsRefused) {
  const std::string good = SmallStream();
  ReplicaStore store({});
  Advance(store, Key(50), 20);
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      const Status status = Refused(store, bad);
      EXPECT_FALSE(status.message().empty()) << at;
    }
  }
  EXPECT_TRUE(store.Restore(From(good)).ok());
}

TEST(ReplicaSaveTest, EveryTruncationIsRefused) {
  const std::string good = SmallStream();
  const TemporaryFolder folder;
  ReplicaStore store({});
  ReplicaStore spilling({.limit_bytes = 5, .folder = folder.path()});
  Advance(store, Key(50), 20);
  Advance(spilling, Key(50), 20);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(Refused(store, good.substr(0, size)).message(), HasSubstr("the file ends"));
    EXPECT_THAT(Refused(spilling, good.substr(0, size)).message(), HasSubstr("the file ends"));
  }
}

TEST(ReplicaSaveTest, ErrorsSayWhatIsWrongAndWhere) {
  const std::string good = SmallStream();
  ReplicaStore store({});
  const auto message = [&](size_t at, char value) {
    std::string bad = good;
    bad[at] = value;
    const Status status = Refused(store, bad);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    return status.message();
  };
  EXPECT_THAT(message(0, 'X'), HasSubstr("no saved state"));
  EXPECT_THAT(message(4, 2), HasSubstr("saved in format 2, this library reads 1"));
  EXPECT_THAT(message(8, 9), HasSubstr("record 1: 9 is no kind of record"));
  EXPECT_THAT(message(16, 0x55), HasSubstr("record 1: the checksum of an entry's description"));
  EXPECT_THAT(message(good.size() - 1, 0x55), HasSubstr("record 4: the checksum of the end"));
  EXPECT_THAT(Refused(store, good.substr(0, 60)).message(),
              AllOf(StartsWith("restoring state, record 1"), HasSubstr("the file ends")));
}

TEST(ReplicaSaveTest, RecordsCantBeLeftOutRepeatedOrReordered) {
  const std::vector<ReplicaRecord> records = {Record(1, 4), Record(2, 4), Record(3, 4)};
  const std::string stream = Made(records, 4);
  const size_t one = (Made({records[0]}, 4).size() - Made({}, 4).size());
  const std::string start = stream.substr(0, 8);
  const std::string first = stream.substr(8, one);
  const std::string second = stream.substr(8 + one, one);
  const std::string rest = stream.substr(8 + 2 * one);
  ReplicaStore store({});
  EXPECT_FALSE(Refused(store, start + first + rest).ok());
  EXPECT_FALSE(Refused(store, start + first + first + second + rest).ok());
  EXPECT_FALSE(Refused(store, start + second + first + rest).ok());
  EXPECT_TRUE(store.Restore(From(start + first + second + rest)).ok());
}

TEST(ReplicaSaveTest, HostileLengthsAskForNoMemory) {
  const TemporaryFolder folder;
  ReplicaStore store({});
  ReplicaStore limited({.limit_bytes = 100});
  ReplicaStore spilling({.limit_bytes = 100, .folder = folder.path()});
  for (const uint64_t bytes : {uint64_t{1} << 40, uint64_t{1} << 60, UINT64_MAX}) {
    const std::string stream = Made({Record(1, bytes)}, 50);
    EXPECT_FALSE(Refused(store, stream).ok());
    EXPECT_FALSE(Refused(limited, stream).ok());
    EXPECT_FALSE(Refused(spilling, stream).ok());
  }
  EXPECT_EQ(spilling.figures().spilled_bytes, 0u);
}

TEST(ReplicaSaveTest, RecordsThatTheLibraryWouldNotWriteAreRefused) {
  ReplicaStore store({});
  Advance(store, Key(50), 20);
  const std::vector<std::function<void(ReplicaRecord&)>> changes = {
      [](ReplicaRecord& record) { record.key.operation = Operation{kOperations}; },
      [](ReplicaRecord& record) { record.key.peer = -2; },
      [](ReplicaRecord& record) { record.shape.dtype = DataType{12}; },
      [](ReplicaRecord& record) { record.shape.codec = "q8\x1b"; },
      [](ReplicaRecord& record) { record.shape.layout = std::string(1025, 'x'); },
      [](ReplicaRecord& record) { record.version = 0; },
  };
  for (const auto& change : changes) {
    ReplicaRecord record = Record(1, 4);
    change(record);
    EXPECT_EQ(Refused(store, Made({record}, 4)).code(), Code::kInvalidArgument);
  }
  EXPECT_THAT(Refused(store, Made({Record(1, 4), Record(1, 4)}, 4)).message(),
              HasSubstr("comes twice"));
}

TEST(ReplicaSaveTest, AFullDiskDuringARestoreLosesNothing) {
  const TemporaryFolder folder;
  constexpr size_t kLarge = 100000;
  ReplicaStore source({});
  Fill(source, 4, kLarge);
  const std::string stream = Saved(source);
  ReplicaStore store({.limit_bytes = kLarge, .folder = folder.path()});
  Advance(store, Key(50), kLarge);
  Status status;
  {
    const FullDisk full(150000);
    status = store.Restore(From(stream));
  }
  EXPECT_EQ(status.code(), Code::kSystem);
  EXPECT_THAT(status.message(), AllOf(HasSubstr(folder.path()), HasSubstr("File too large")));
  EXPECT_EQ(store.figures().spilled_bytes, 0u);
  ExpectVersion(store, Key(50), kLarge, 1);
  EXPECT_TRUE(store.Restore(From(stream)).ok());
}

TEST(ReplicaSaveTest, RandomDamageIsRefused) {
  const std::string good = SmallStream();
  const TemporaryFolder folder;
  ReplicaStore store({.limit_bytes = 10, .folder = folder.path()});
  Advance(store, Key(50), 20);
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    std::string bad = good;
    for (uint32_t changes = 1 + random() % 8; changes > 0; --changes) {
      const size_t at = random() % bad.size();
      switch (random() % 4) {
        case 0:
          bad.erase(at, 1 + random() % 8);
          break;
        case 1:
          bad.insert(at, bad.substr(random() % bad.size(), random() % 80));
          break;
        case 2:
          bad.insert(at, random() % 9, static_cast<char>(random()));
          break;
        default:
          bad[at] = static_cast<char>(random());
      }
      if (bad.empty()) break;
    }
    if (bad.starts_with(good)) continue;  // what follows the end is not read
    EXPECT_FALSE(Refused(store, bad).ok());
  }
}

}  // namespace
}  // namespace thinwire
