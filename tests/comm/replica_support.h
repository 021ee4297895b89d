// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the replica store share: keys, bytes that tell which version they are, streams
// in memory.

#ifndef THINWIRE_TESTS_COMM_REPLICA_SUPPORT_H_
#define THINWIRE_TESTS_COMM_REPLICA_SUPPORT_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "comm/replica_store.h"

namespace thinwire {

inline ReplicaKey Key(uint64_t user, uint16_t message = 0) {
  return {.user = user, .sent = true, .message = message};
}

inline ReplicaShape Shape(const std::string& codec = "q8+ef") {
  return {.codec = codec, .elements = 1000, .dtype = DataType::kFloat32, .layout = "sra, 4 ranks"};
}

// Byte i of what `key` holds after its commit number `version`.
inline std::byte ByteOf(const ReplicaKey& key, uint64_t version, size_t i) {
  return static_cast<std::byte>(key.user * 31 + key.message * 17 + version * 7 + i % 251);
}

inline void Fill(const ReplicaKey& key, uint64_t version, std::span<std::byte> bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = ByteOf(key, version, i);
}

inline bool Holds(const ReplicaKey& key, uint64_t version, std::span<const std::byte> bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != ByteOf(key, version, i)) return false;
  }
  return true;
}

inline ReplicaLease Acquired(ReplicaStore& store, const ReplicaKey& key, size_t bytes) {
  Result<ReplicaLease> lease = store.Acquire(key, Shape(), bytes);
  EXPECT_TRUE(lease.ok()) << lease.status().message();
  return lease.ok() ? std::move(lease).value() : ReplicaLease();
}

// Checks what the entry holds, and commits its next version.
inline void Advance(ReplicaStore& store, const ReplicaKey& key, size_t bytes) {
  ReplicaLease lease = Acquired(store, key, bytes);
  ASSERT_NE(lease.after(), nullptr);
  ASSERT_EQ(lease.before() == nullptr, lease.version() == 0);
  if (lease.before() != nullptr) {
    ASSERT_TRUE(Holds(key, lease.version(), lease.before()->span())) << key.Text();
  }
  Fill(key, lease.version() + 1, lease.after()->span());
  lease.Commit();
}

inline void ExpectVersion(ReplicaStore& store, const ReplicaKey& key, size_t bytes,
                          uint64_t version) {
  const ReplicaLease lease = Acquired(store, key, bytes);
  EXPECT_EQ(lease.version(), version) << key.Text();
  if (version == 0 || lease.before() == nullptr) return;
  EXPECT_EQ(lease.before()->size(), bytes);
  EXPECT_TRUE(Holds(key, version, lease.before()->span())) << key.Text();
}

inline WriteFunction Into(std::string* stream) {
  return [stream](const void* bytes, size_t size) {
    stream->append(static_cast<const char*>(bytes), size);
    return Status();
  };
}

// Reads from `stream`, which must outlive it.
inline ReadFunction From(const std::string& stream) {
  return [&stream, at = size_t{0}](void* bytes, size_t size) mutable {
    if (size > stream.size() - at) return SystemError("the file ends");
    std::memcpy(bytes, stream.data() + at, size);
    at += size;
    return Status();
  };
}

inline std::string Saved(ReplicaStore& store) {
  std::string stream;
  const Status status = store.Save(Into(&stream));
  EXPECT_TRUE(status.ok()) << status.message();
  return stream;
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_COMM_REPLICA_SUPPORT_H_
