// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/message_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "transport/ranks.h"

namespace thinwire {
namespace {

using Kind = MessageHead::Kind;
using Outcome = MessageStream::Outcome;

// Two ends of a connection with little room in between.
class MessageStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    here_ = Fd(fds[0]);
    there_ = Fd(fds[1]);
    const int size = 1;  // the least there is
    setsockopt(here_.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  }

  Outgoing Data(std::span<const std::byte> bytes, Request* request = nullptr) {
    if (request != nullptr) request->state = Request::State::kPending;
    return {{Kind::kData, bytes.size()}, bytes, request};
  }
  // Writes and reads until the message has left; what has come in.
  std::vector<Incoming> Pass() {
    std::vector<Incoming> incoming;
    for (Outcome outcome = Outcome::kBlocked; outcome != Outcome::kDone;) {
      outcome = sender_.Write(here_.get());
      EXPECT_NE(outcome, Outcome::kBroken);
      EXPECT_EQ(receiver_.Read(there_.get(), 1 << 30, &incoming), Outcome::kBlocked);
      if (outcome == Outcome::kBroken) break;
    }
    return incoming;
  }

  Fd here_, there_;
  MessageStream sender_, receiver_;
};

TEST_F(MessageStreamTest, MessagesOfAnySizePassThroughLittleRoom) {
  for (const size_t size : {0, 1, 15, 16, 17, 100000, (16 << 20) + 64}) {
    const std::vector<std::byte> content = Pattern(size, size);
    Request request;
    sender_.Start(Data(content, &request));
    const std::vector<Incoming> incoming = Pass();
    ASSERT_EQ(incoming.size(), 1u);
    EXPECT_EQ(incoming[0].head.kind, Kind::kData);
    EXPECT_TRUE(Text(incoming[0].buffer->bytes()) == Text(content)) << size;
    EXPECT_EQ(request.state, Request::State::kDone);
  }
}

TEST_F(MessageStreamTest, WhatComesInOneReadIsTakenApart) {
  const std::vector<std::byte> content = Pattern(1, 100);
  for (int i = 0; i < 3; ++i) {
    sender_.Start(Data(content));
    ASSERT_EQ(sender_.Write(here_.get()), Outcome::kDone);
    sender_.Start({{Kind::kFarewell, 7}, {}, nullptr});
    ASSERT_EQ(sender_.Write(here_.get()), Outcome::kDone);
  }
  std::vector<Incoming> incoming;
  // Reads stop where a body is not yet known: repeat.
  for (int i = 0; i < 10; ++i) receiver_.Read(there_.get(), 1 << 20, &incoming);
  ASSERT_EQ(incoming.size(), 6u);
  EXPECT_TRUE(Text(incoming[4].buffer->bytes()) == Text(content));
  EXPECT_EQ(incoming[5].head.kind, Kind::kFarewell);
  EXPECT_EQ(incoming[5].head.number, 7u);
  EXPECT_EQ(incoming[5].buffer, nullptr);
}

TEST_F(MessageStreamTest, BytesMayComeOneByOne) {
  const std::vector<std::byte> content = Pattern(1, 40);
  const auto head = PackMessageHead({.kind = Kind::kData, .number = content.size()});
  std::vector<std::byte> bytes(head.begin(), head.end());
  bytes.insert(bytes.end(), content.begin(), content.end());
  std::vector<Incoming> incoming;
  for (const std::byte byte : bytes) {
    EXPECT_TRUE(incoming.empty());
    ASSERT_EQ(send(here_.get(), &byte, 1, 0), 1);
    EXPECT_EQ(receiver_.Read(there_.get(), 1 << 20, &incoming), Outcome::kBlocked);
  }
  ASSERT_EQ(incoming.size(), 1u);
  EXPECT_TRUE(Text(incoming[0].buffer->bytes()) == Text(content));
}

TEST_F(MessageStreamTest, AMessageThatHasNotBegunCanBeTakenBack) {
  const std::vector<std::byte> large = Pattern(1, 1 << 20);
  sender_.Start(Data(large));
  EXPECT_EQ(sender_.Write(here_.get()), Outcome::kBlocked);
  EXPECT_TRUE(sender_.begun());

  MessageStream second;  // on the same, full socket
  Request request;
  second.Start(Data(large, &request));
  EXPECT_EQ(second.Write(here_.get()), Outcome::kBlocked);
  EXPECT_FALSE(second.begun());
  EXPECT_EQ(second.Abandon().request, &request);
  EXPECT_FALSE(second.sending());
  EXPECT_TRUE(request.pending());
}

TEST_F(MessageStreamTest, TheEndAndADamagedHeadAreTold) {
  std::vector<Incoming> incoming;
  const std::string junk = "GET / HTTP/1.1\r\n\r\n";
  ASSERT_EQ(send(here_.get(), junk.data(), junk.size(), 0), static_cast<ssize_t>(junk.size()));
  EXPECT_EQ(receiver_.Read(there_.get(), 1 << 20, &incoming), Outcome::kInvalid);
  here_.Close();
  MessageStream other;
  while (recv(there_.get(), std::string(99, ' ').data(), 99, 0) > 0) continue;
  EXPECT_EQ(other.Read(there_.get(), 1 << 20, &incoming), Outcome::kEnd);
  other.Start({{Kind::kFarewell, 0}, {}, nullptr});
  EXPECT_EQ(other.Write(there_.get()), Outcome::kBroken);
  EXPECT_TRUE(incoming.empty());
}

}  // namespace
}  // namespace thinwire
