// SPDX-License-Identifier: Apache-2.0
#include "cuda/device/staging_pool.h"

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <set>

namespace thinwire::cuda {
namespace {

TEST(StagingPoolTest, PiecesAreMappedAlignedAndApart) {
  StagingPool pool;
  std::byte* last = nullptr;
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{64}, size_t{65}, size_t{4096},
                             size_t{131'200}, size_t{9} << 20}) {
    std::byte* const piece = pool.Take(bytes);
    ASSERT_NE(piece, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(piece) % 64, 0u);
    EXPECT_NE(piece, last);
    std::memset(piece, 0x11, bytes);
    cudaPointerAttributes attributes = {};
    ASSERT_EQ(cudaPointerGetAttributes(&attributes, piece), cudaSuccess);
    EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
    last = piece;
  }
}

TEST(StagingPoolTest, PiecesAreGivenAgain) {
  StagingPool pool;
  std::byte* const first = pool.Take(100'000);
  std::byte* const second = pool.Take(100'000);
  EXPECT_NE(first, second);
  pool.Give(first);
  EXPECT_EQ(pool.Take(99'999), first) << "of the same kind of size";
  pool.Give(nullptr);
}

TEST(StagingPoolTest, WhatWasReservedComesFromSlabsThatAreThere) {
  StagingPool pool;
  ASSERT_TRUE(pool.Reserve(size_t{80} << 20));
  std::set<std::byte*> pieces;
  for (int i = 0; i < 80; ++i) pieces.insert(pool.Take(size_t{1} << 20));
  EXPECT_EQ(pieces.size(), 80u);
  EXPECT_EQ(pieces.count(nullptr), 0u);
  // All of them lie in three slabs.
  std::set<uintptr_t> slabs;
  uintptr_t begin = 0;
  for (std::byte* const piece : pieces) {
    const auto at = reinterpret_cast<uintptr_t>(piece);
    if (begin == 0 || at - begin >= (uintptr_t{32} << 20)) slabs.insert(begin = at);
  }
  EXPECT_LE(slabs.size(), 3u);
}

}  // namespace
}  // namespace thinwire::cuda
