// SPDX-License-Identifier: Apache-2.0
//
// An engine against a peer that sends what it likes: it fails cleanly, says who did what, and holds
// no more memory than it may.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/engine_member.h"

namespace thinwire {
namespace {

using testing::AllOf;
using testing::HasSubstr;

FrameHeader Header(FrameKind kind) {
  FrameHeader header;
  header.kind = kind;
  header.communicator = 42;  // EngineMember's
  header.source = 1;
  header.destination = 0;
  return header;
}

std::vector<std::byte> FrameOf(FrameHeader header, size_t payload_bytes = 0) {
  std::vector<std::byte> frame(kFrameHeaderBytes + payload_bytes, std::byte{'x'});
  header.payload_bytes = static_cast<uint32_t>(payload_bytes);
  SealFrame(header, frame.data());
  return frame;
}

EngineStack Plain() {
  EngineStack stack;
  stack.transport = MakeLoopback;
  return stack;
}

// Rank 0 is an engine, which waits for rank 1 in a call; rank 1 sends by itself. What the call ends
// with.
Status EngineAgainst(const EngineStack& stack, const std::function<void(Rank&)>& peer) {
  Made made = MakeRanks(stack.transport, 2);
  Status ended;
  OnThreads(2, [&](int rank) {
    auto transport = std::move(made.transports[static_cast<size_t>(rank)]);
    ASSERT_TRUE(transport->Connect(rank, made.addresses, Patience()).ok());
    if (rank == 0) {
      EngineMember member(stack, rank, 2, std::move(transport));
      Op receive;
      receive.operation = Operation::kRecv;
      receive.root = 1;
      receive.count = 10;
      std::vector<float> values(receive.count);
      ended = member.Run(receive, nullptr, values.data());
      member.engine().Close();
    } else {
      Rank self(1, 2, transport.get());
      peer(self);
      EXPECT_FALSE(self.UntilPeerFails(0).ok());  // it has closed
      self.Close();
    }
  });
  return ended;
}

void Send(Rank& self, std::span<const std::byte> bytes) {
  Request request;
  static_cast<void>(self.transport().Send(0, bytes, &request));  // refused once the engine has gone
}

TEST(HostilePeerTest, LargeFramesOfCallsToComeAreBounded) {
  EngineStack stack = Plain();
  stack.early_bytes = size_t{1} << 20;
  const Status ended = EngineAgainst(stack, [](Rank& self) {
    FrameHeader header = Header(FrameKind::kData);
    for (; header.sequence < 30; ++header.sequence) Send(self, FrameOf(header, 64 << 10));
  });
  EXPECT_EQ(ended.code(), Code::kSystem);
  EXPECT_THAT(ended.message(), AllOf(HasSubstr("rank 1"), HasSubstr("THINWIRE_EARLY")));
}

TEST(HostilePeerTest, ManySmallFramesOfCallsToComeAreBoundedToo) {
  EngineStack stack = Plain();
  stack.early_bytes = size_t{1} << 20;
  const Status ended = EngineAgainst(stack, [](Rank& self) {
    FrameHeader header = Header(FrameKind::kData);
    for (header.sequence = 1; header.sequence < 5000; ++header.sequence) {
      Send(self, FrameOf(header));
    }
  });
  EXPECT_THAT(ended.message(), HasSubstr("THINWIRE_EARLY"));
}

TEST(HostilePeerTest, FramesWithinTheBoundWaitForTheirCall) {
  EngineStack stack = Plain();
  stack.early_bytes = size_t{1} << 20;
  const Status ended = EngineAgainst(stack, [](Rank& self) {
    FrameHeader header = Header(FrameKind::kData);
    for (; header.sequence < 10; ++header.sequence) Send(self, FrameOf(header, 64 << 10));
    header = Header(FrameKind::kData);
    header.flags = kFlagPointToPoint;
    header.operation = static_cast<uint8_t>(Operation::kSend);
    header.algorithm = static_cast<uint8_t>(Algorithm::kDirect);
    header.dtype = static_cast<uint8_t>(DataType::kFloat32);
    header.count = 10;
    header.codec = static_cast<uint8_t>(RawCodec().id());
    Send(self, FrameOf(header, 40));  // what the engine waits for
  });
  EXPECT_TRUE(ended.ok()) << ended.message();
}

constexpr FrameKind kKinds[] = {FrameKind::kData,    FrameKind::kCredit, FrameKind::kHeartbeat,
                                FrameKind::kGoodbye, FrameKind::kAbort,  FrameKind::kResend};

TEST(HostilePeerTest, EveryKindOfFrameIsChecked) {
  for (const FrameKind kind : kKinds) {
    // A byte of the magic, the kind, the sequence, the length, the checksum.
    for (const size_t offset : {size_t{0}, size_t{5}, size_t{24}, size_t{52}, size_t{63}}) {
      std::vector<std::byte> frame = FrameOf(Header(kind));
      frame[offset] ^= std::byte{1};
      const Status ended = EngineAgainst(Plain(), [&](Rank& self) { Send(self, frame); });
      EXPECT_THAT(ended.message(), HasSubstr("a frame from rank 1 is damaged"))
          << "kind " << static_cast<int>(kind) << ", byte " << offset;
    }
  }
}

TEST(HostilePeerTest, AMessageIsOneFrameAndNothingElse) {
  for (const size_t bytes : {size_t{0}, kFrameHeaderBytes - 1, kFrameHeaderBytes + 1}) {
    std::vector<std::byte> frame = FrameOf(Header(FrameKind::kHeartbeat));
    frame.resize(bytes);
    const Status ended = EngineAgainst(Plain(), [&](Rank& self) { Send(self, frame); });
    EXPECT_THAT(ended.message(), HasSubstr("a frame from rank 1 is damaged")) << bytes;
  }
}

TEST(HostilePeerTest, AnAbortThatNamesNoRankIsItsSenders) {
  const Status ended = EngineAgainst(Plain(), [](Rank& self) {
    FrameHeader header = Header(FrameKind::kAbort);
    header.root = 999;
    header.message = 12345;
    Send(self, FrameOf(header, 100'000));
  });
  EXPECT_THAT(ended.message(), HasSubstr("rank 1 gave up: xxx"));
  EXPECT_LT(ended.message().size(), 2000u);
}

TEST(HostilePeerTest, WhatWasNotSentIsNotSentAgain) {
  const Status ended = EngineAgainst(Plain(), [](Rank& self) {
    FrameHeader header = Header(FrameKind::kResend);
    header.flags = kFlagPointToPoint;
    Send(self, FrameOf(header));  // of a send that there is none of: ignored
    header = Header(FrameKind::kAbort);
    header.root = 1;
    Send(self, FrameOf(header, 3));
  });
  EXPECT_THAT(ended.message(), HasSubstr("rank 1 gave up: xxx")) << ended.message();
}

}  // namespace
}  // namespace thinwire
