// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/assembly.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "transport/ranks.h"

namespace thinwire {
namespace {

MessageHead PieceOf(uint64_t number, uint32_t total, uint32_t offset, uint32_t length) {
  return {.length = length, .total = total, .offset = offset, .number = number};
}

TEST(AssemblyTest, PiecesOfSeveralMessagesInAnyOrder) {
  Assembly assembly;
  const std::vector<std::byte> content = Pattern(1, 100);
  const MessageHead pieces[] = {PieceOf(1, 100, 60, 40), PieceOf(2, 100, 0, 30),
                                PieceOf(1, 100, 0, 60), PieceOf(2, 100, 30, 70)};
  std::vector<std::span<std::byte>> places;
  for (const MessageHead& piece : pieces) {  // all begin before one is finished
    places.push_back(*assembly.Begin(piece));
    EXPECT_EQ(places.back().size(), piece.length);
  }
  for (size_t i = 0; i < 4; ++i) {
    std::copy_n(content.begin() + pieces[i].offset, pieces[i].length, places[i].begin());
    const auto whole = assembly.Finish(pieces[i]);
    EXPECT_EQ(whole != nullptr, i >= 2) << i;
    EXPECT_TRUE(whole == nullptr || Text(whole->bytes()) == Text(content)) << i;
  }
}

TEST(AssemblyTest, AnEmptyMessageIsCompleteAtOnce) {
  Assembly assembly;
  ASSERT_TRUE(assembly.Begin(PieceOf(1, 0, 0, 0)).has_value());
  EXPECT_TRUE(assembly.Finish(PieceOf(1, 0, 0, 0))->bytes().empty());
}

// Or a message could be complete while another piece of it is still being written.
TEST(AssemblyTest, NoByteIsClaimedTwice) {
  Assembly assembly;
  ASSERT_TRUE(assembly.Begin(PieceOf(1, 100, 0, 60)).has_value());
  EXPECT_FALSE(assembly.Begin(PieceOf(1, 100, 0, 60)).has_value());
  EXPECT_FALSE(assembly.Begin(PieceOf(1, 100, 59, 41)).has_value());
  EXPECT_TRUE(assembly.Begin(PieceOf(1, 100, 60, 40)).has_value());
  EXPECT_FALSE(assembly.Begin(PieceOf(1, 100, 0, 1)).has_value());
}

TEST(AssemblyTest, PiecesAgreeOnTheSize) {
  Assembly assembly;
  ASSERT_TRUE(assembly.Begin(PieceOf(1, 100, 0, 10)).has_value());
  EXPECT_FALSE(assembly.Begin(PieceOf(1, 101, 10, 10)).has_value());
  EXPECT_FALSE(assembly.Begin(PieceOf(1, 99, 10, 10)).has_value());
}

TEST(AssemblyTest, WhatIsNotCompleteIsBounded) {
  Assembly assembly(1 << 20);
  uint64_t begun = 0;
  while (assembly.Begin(PieceOf(begun, 1000, 0, 1)).has_value()) ++begun;
  EXPECT_GT(begun, 500u);
  EXPECT_LT(begun, 1049u);
  // Each that is complete makes room for another.
  ASSERT_TRUE(assembly.Begin(PieceOf(0, 1000, 1, 999)).has_value());
  EXPECT_EQ(assembly.Finish(PieceOf(0, 1000, 1, 999)), nullptr);
  EXPECT_NE(assembly.Finish(PieceOf(0, 1000, 0, 1)), nullptr);
  EXPECT_TRUE(assembly.Begin(PieceOf(begun, 1000, 0, 1)).has_value());
}

}  // namespace
}  // namespace thinwire
