// SPDX-License-Identifier: Apache-2.0
#include "collective/bundles.h"

#include <gtest/gtest.h>

#include "transport/ranks.h"

namespace thinwire {
namespace {

using Messages = std::vector<std::pair<int, std::vector<std::byte>>>;

TEST(BundlesTest, FramesToOnePeerAreOneMessageInTheirOrder) {
  Bundles bundles(3);
  bundles.Add(2, Pattern(1, 70));
  bundles.Add(0, Pattern(2, 64));
  bundles.Add(2, Pattern(3, 100));
  std::vector<std::byte> both = Pattern(1, 70);
  const std::vector<std::byte> second = Pattern(3, 100);
  both.insert(both.end(), second.begin(), second.end());
  EXPECT_EQ(bundles.Take(), (Messages{{0, Pattern(2, 64)}, {2, both}}));
  EXPECT_TRUE(bundles.Take().empty());
}

TEST(BundlesTest, AMessageIsBoundedAndNoFrameIsCut) {
  Bundles bundles(1);
  const std::vector<std::byte> frame = Pattern(1, 4000);
  for (int i = 0; i < 100; ++i) bundles.Add(0, frame);
  size_t bytes = 0;
  for (const auto& [peer, message] : bundles.Take()) {
    EXPECT_LE(message.size(), size_t{64} << 10);
    EXPECT_EQ(message.size() % frame.size(), 0u);
    bytes += message.size();
  }
  EXPECT_EQ(bytes, 100 * frame.size());
}

TEST(BundlesTest, LargeFramesTravelAlone) {
  EXPECT_TRUE(Bundles::Takes(64));
  EXPECT_FALSE(Bundles::Takes(size_t{64} << 10));
}

}  // namespace
}  // namespace thinwire
