// SPDX-License-Identifier: Apache-2.0
#include "transport/handshake.h"

#include <gtest/gtest.h>

#include <optional>

namespace thinwire {
namespace {

using Kind = MessageKind;

// Carries what two ends say to each other, in order, until neither has an answer.
class Conversation {
 public:
  void Say(int end, Kind kind) {
    std::optional<Kind> said = kind;
    for (int speaker = end; said; speaker = 1 - speaker) said = ends[1 - speaker].Take(*said);
  }
  Handshake ends[2];
};

TEST(HandshakeTest, AnEndIsOpenOnceItWasGreetedAndItsOwnGreetingAnswered) {
  Conversation conversation;
  conversation.Say(0, Kind::kHello);
  EXPECT_FALSE(conversation.ends[0].open());  // the other's greeting has not come
  EXPECT_FALSE(conversation.ends[1].open());  // nor its own been answered
  conversation.Say(1, Kind::kHello);
  EXPECT_TRUE(conversation.ends[0].open());
  EXPECT_TRUE(conversation.ends[1].open());
}

TEST(HandshakeTest, AFarewellIsKnownToBothAndEndsOneDirection) {
  Conversation conversation;
  conversation.Say(0, Kind::kFarewell);
  EXPECT_TRUE(conversation.ends[1].farewell_seen());
  EXPECT_TRUE(conversation.ends[0].farewell_answered());
  EXPECT_FALSE(conversation.ends[0].farewell_seen());
  EXPECT_FALSE(conversation.ends[1].farewell_answered());
}

TEST(HandshakeTest, DataIsNotAnsweredAndOpensNothing) {
  Handshake end;
  EXPECT_EQ(end.Take(Kind::kData), std::nullopt);
  EXPECT_FALSE(end.open());
  EXPECT_FALSE(end.farewell_seen());
  EXPECT_FALSE(end.farewell_answered());
}

}  // namespace
}  // namespace thinwire
