// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/message_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "transport/ranks.h"

namespace thinwire {
namespace {

using Kind = MessageHead::Kind;
using Outcome = MessageStream::Outcome;

constexpr size_t kWhole = size_t{1} << 30;  // pieces of any size

std::shared_ptr<Outgoing> Data(std::span<const std::byte> bytes, Request* request = nullptr) {
  if (request != nullptr) request->state = Request::State::kPending;
  return std::make_shared<Outgoing>(
      Outgoing{.kind = Kind::kData, .number = 1, .bytes = bytes, .request = request});
}
std::shared_ptr<Outgoing> Farewell(uint64_t number) {
  return std::make_shared<Outgoing>(
      Outgoing{.kind = Kind::kFarewell, .number = number, .bytes = {}});
}

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
  Outcome Read() { return receiver_.Read(there_.get(), 1 << 20, &assembly_, &incoming_); }

  Fd here_, there_;
  MessageStream sender_, receiver_;
  Assembly assembly_;
  std::vector<Incoming> incoming_;
};

TEST_F(MessageStreamTest, MessagesOfAnySizePassThroughLittleRoomInAnyPieces) {
  for (const size_t most : {size_t{1000}, size_t{16} << 10, kWhole}) {
    for (const size_t size : {0, 1, 15, 16, 17, 1000, 100000, 1 << 20}) {
      const std::vector<std::byte> content = Pattern(size, size);
      Request request;
      const auto message = Data(content, &request);
      incoming_.clear();
      while (request.pending()) {
        const Outcome outcome = sender_.sending() == nullptr
                                    ? sender_.WriteNext(here_.get(), message, most)
                                    : sender_.Write(here_.get());
        ASSERT_NE(outcome, Outcome::kBroken);
        ASSERT_EQ(Read(), Outcome::kBlocked);
      }
      Read();
      ASSERT_EQ(incoming_.size(), 1u) << size;
      EXPECT_TRUE(Text(incoming_[0].buffer->bytes()) == Text(content)) << size;
      EXPECT_EQ(request.state, Request::State::kDone);
    }
  }
}

TEST_F(MessageStreamTest, WhatComesInOneReadIsTakenApart) {
  const std::vector<std::byte> content = Pattern(1, 100);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(sender_.WriteNext(here_.get(), Data(content), kWhole), Outcome::kDone);
    ASSERT_EQ(sender_.WriteNext(here_.get(), Farewell(7), kWhole), Outcome::kDone);
  }
  EXPECT_EQ(Read(), Outcome::kBlocked);
  ASSERT_EQ(incoming_.size(), 6u);
  EXPECT_TRUE(Text(incoming_[4].buffer->bytes()) == Text(content));
  EXPECT_EQ(incoming_[5].kind, Kind::kFarewell);
  EXPECT_EQ(incoming_[5].number, 7u);
  EXPECT_EQ(incoming_[5].buffer, nullptr);
}

TEST_F(MessageStreamTest, BytesMayComeOneByOne) {
  const std::vector<std::byte> content = Pattern(1, 40);
  const auto head = PackMessageHead({.length = 40, .total = 40});
  std::vector<std::byte> bytes(head.begin(), head.end());
  bytes.insert(bytes.end(), content.begin(), content.end());
  for (const std::byte byte : bytes) {
    EXPECT_TRUE(incoming_.empty());
    ASSERT_EQ(send(here_.get(), &byte, 1, 0), 1);
    EXPECT_EQ(Read(), Outcome::kBlocked);
  }
  ASSERT_EQ(incoming_.size(), 1u);
  EXPECT_TRUE(Text(incoming_[0].buffer->bytes()) == Text(content));
}

TEST_F(MessageStreamTest, AFullSocketLeavesTheMessageAsItWas) {
  const std::vector<std::byte> large = Pattern(1, 1 << 20);
  EXPECT_EQ(sender_.WriteNext(here_.get(), Data(large), kWhole), Outcome::kBlocked);
  EXPECT_NE(sender_.sending(), nullptr);

  MessageStream second;  // on the same, full socket
  Request request;
  const auto message = Data(large, &request);
  EXPECT_EQ(second.WriteNext(here_.get(), message, kWhole), Outcome::kBlocked);
  EXPECT_EQ(second.sending(), nullptr);
  EXPECT_EQ(message->begun, 0u);
  EXPECT_TRUE(request.pending());
}

TEST_F(MessageStreamTest, ADamagedHeadIsTold) {
  const std::string junk = "GET / HTTP/1.1\r\nHost: thinwire\r\n\r\n";
  ASSERT_EQ(send(here_.get(), junk.data(), junk.size(), 0), static_cast<ssize_t>(junk.size()));
  EXPECT_EQ(Read(), Outcome::kInvalid);
  EXPECT_TRUE(incoming_.empty());
}

TEST_F(MessageStreamTest, TheEndIsTold) {
  here_.Close();
  EXPECT_EQ(Read(), Outcome::kEnd);
  EXPECT_EQ(sender_.WriteNext(there_.get(), Farewell(0), kWhole), Outcome::kBroken);
}

}  // namespace
}  // namespace thinwire
