// SPDX-License-Identifier: Apache-2.0
//
// A child process as rank 1 of a pair, for tests that kill it; see child_rank.cc.

#ifndef THINWIRE_TESTS_TRANSPORT_CHILD_RANK_H_
#define THINWIRE_TESTS_TRANSPORT_CHILD_RANK_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transport/pipe_blob.h"
#include "transport/ranks.h"

extern char** environ;

namespace thinwire {

class ChildRank {
 public:
  explicit ChildRank(std::string transport) {
    int in[2], out[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string program = THINWIRE_BINARY_DIR "/tests/child_rank";
    char* arguments[] = {program.data(), transport.data(), nullptr};
    EXPECT_EQ(posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    to_ = in[1];
    from_ = out[0];
  }
  ~ChildRank() {
    if (pid_ > 0) Kill();
    close(to_);
    close(from_);
  }
  void Kill() {
    kill(pid_, SIGKILL);
    Wait();
  }
  int Wait() {
    int status = -1;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }
  int to() const { return to_; }
  int from() const { return from_; }

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
};

// Rank 0 here, rank 1 in a child; the parameter is the transport's name.
class ProcessSuite : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto made = MakeTransport(GetParam(), {});
    ASSERT_TRUE(made.ok());
    transport_ = std::move(made).value();
    const Result<std::string> address = transport_->Address();
    ASSERT_TRUE(address.ok());
    ASSERT_TRUE(WriteBlob(child_.to(), address.value()));
    const std::string addresses[] = {address.value(), ReadBlob(child_.from())};
    const Status connected = transport_->Connect(0, addresses, Patience());
    ASSERT_TRUE(connected.ok()) << connected.message();
  }

  ChildRank child_{GetParam()};
  std::unique_ptr<Transport> transport_;
};

TEST_P(ProcessSuite, AKilledPeerIsReported) {
  Rank self(0, 2, transport_.get());
  EXPECT_TRUE(self.SendAndWait(1, Pattern(1, 1000)).ok());
  EXPECT_TRUE(transport_->PeerStatus(1).ok());
  child_.Kill();
  const Status status = self.UntilPeerFails(1);
  EXPECT_EQ(status.code(), Code::kRemote);
  EXPECT_NE(status.message().find("rank 1"), std::string::npos) << status.message();
}

TEST_P(ProcessSuite, APeerKilledWithSendsUnderWayIsReportedAndTheyEnd) {
  const std::vector<std::byte> content = Pattern(1, 4 << 20);
  std::vector<Request> requests(16);
  for (Request& request : requests) EXPECT_TRUE(transport_->Send(1, content, &request).ok());
  child_.Kill();
  Rank self(0, 2, transport_.get());
  EXPECT_EQ(self.UntilPeerFails(1).code(), Code::kRemote);
  self.Until([&] {
    return std::none_of(requests.begin(), requests.end(), [](auto& r) { return r.pending(); });
  });
}

TEST_P(ProcessSuite, AClosedTransportEndsThePeersLoop) {
  transport_->Close(Patience());
  EXPECT_EQ(child_.Wait(), 0);
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_TRANSPORT_CHILD_RANK_H_
