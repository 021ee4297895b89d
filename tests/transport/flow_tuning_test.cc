// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/flow_tuning.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/socket.h"

namespace thinwire {
namespace {

// Two ends of a connection over loopback.
struct Connection {
  Connection() {
    const Fd listener(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof(address);
    EXPECT_EQ(bind(listener.get(), generic, length), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    EXPECT_EQ(getsockname(listener.get(), generic, &length), 0);
    here = Fd(socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(connect(here.get(), generic, length), 0);
    there = Fd(accept(listener.get(), nullptr, nullptr));
  }
  void Carry(size_t bytes) const {
    const std::vector<char> sent(bytes, 'x');
    std::vector<char> received(bytes);
    ASSERT_EQ(write(here.get(), sent.data(), bytes), static_cast<ssize_t>(bytes));
    ASSERT_EQ(recv(there.get(), received.data(), bytes, MSG_WAITALL), static_cast<ssize_t>(bytes));
    EXPECT_EQ(received, sent);
  }
  Fd here;
  Fd there;
};

std::string CongestionOf(const Fd& fd) {
  char name[16] = "";
  socklen_t length = sizeof(name);
  EXPECT_EQ(getsockopt(fd.get(), IPPROTO_TCP, TCP_CONGESTION, name, &length), 0);
  return name;
}

TEST(FlowTuningTest, ARenewedFlowKeepsItsCongestionControlAndGoesOn) {
  for (const std::string congestion : {"bbr", "reno"}) {
    const Result<FlowTuning> tuning = FlowTuning::Choose({.congestion = congestion});
    if (!tuning.ok()) continue;  // this kernel has none, or doesn't allow it
    const Connection connection;
    tuning.value().Apply(connection.here.get());
    connection.Carry(100'000);
    tuning.value().Renew(connection.here.get());
    EXPECT_EQ(CongestionOf(connection.here), congestion);
    connection.Carry(100'000);
  }
}

TEST(FlowTuningTest, FiguresOfAFlowTellWhatItCarried) {
  const Connection connection;
  connection.Carry(100'000);
  const FlowFigures figures = ReadFigures(connection.here.get());
  EXPECT_GT(figures.shortest_round_trip_seconds, 0);
  EXPECT_GE(figures.round_trip_seconds, figures.shortest_round_trip_seconds);
  EXPECT_GT(figures.sent_packets, 0U);
  EXPECT_EQ(figures.sent_again_packets, 0U);
}

TEST(FlowTuningTest, WhatWasReceivedIsAcknowledgedSoon) {
  const Connection connection;
  EXPECT_EQ(Unacknowledged(connection.here.get()), 0U);
  connection.Carry(100'000);
  const TimePoint patience = Now() + std::chrono::seconds(60);
  while (Unacknowledged(connection.here.get()) > 0 && Now() < patience) continue;
  EXPECT_EQ(Unacknowledged(connection.here.get()), 0U);
  // Nobody reads: what the other end has no room for stays here.
  const std::vector<char> much(size_t{64} << 20);
  send(connection.here.get(), much.data(), much.size(), MSG_DONTWAIT);
  EXPECT_GT(Unacknowledged(connection.here.get()), 0U);
}

TEST(FlowTuningTest, AnUnknownCongestionControlIsRefusedByName) {
  const Result<FlowTuning> tuning = FlowTuning::Choose({.congestion = "nonesuch"});
  ASSERT_FALSE(tuning.ok());
  EXPECT_NE(tuning.status().message().find("nonesuch"), std::string::npos);
}

}  // namespace
}  // namespace thinwire
