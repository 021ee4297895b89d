// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace thinwire {
namespace {

TEST(HashTest, NothingHashesToThePublishedValue) { EXPECT_EQ(Xxh3({}), 0x2D06800538D394C2u); }

TEST(HashTest, SeedsGiveDifferentHashes) {
  const std::vector<std::byte> bytes(100, std::byte{7});
  EXPECT_NE(Xxh3(bytes, 1), Xxh3(bytes, 2));
  EXPECT_EQ(Xxh3(bytes, 0), Xxh3(bytes));
}

TEST(HashTest, PiecesHashLikeTheWhole) {
  std::vector<std::byte> bytes(100000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i >> 3);
  const std::span<const std::byte> all(bytes);
  for (const size_t piece : {1u, 63u, 64u, 1000u, 99999u, 100000u}) {
    Xxh3Stream stream;
    for (size_t at = 0; at < all.size(); at += piece) {
      stream.Add(all.subspan(at, std::min(piece, all.size() - at)));
    }
    EXPECT_EQ(stream.Digest(), Xxh3(all)) << "pieces of " << piece;
  }
  EXPECT_EQ(Xxh3Stream().Digest(), Xxh3({}));
}

}  // namespace
}  // namespace thinwire
