// SPDX-License-Identifier: Apache-2.0
//
// Ranks as processes, over the default transport: deaths and departures that threads can't play.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace thinwire {
namespace {

using testing::HasSubstr;

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  close(fd);
  return ntohs(address.sin_port);
}

// A rank's process and what it prints.
class RankProcess {
 public:
  RankProcess(const char* what, int rank, int ranks, int port) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    process_ = fork();
    if (process_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      close(ends[0]);
      setenv("RANK", std::to_string(rank).c_str(), 1);
      setenv("WORLD_SIZE", std::to_string(ranks).c_str(), 1);
      setenv("MASTER_ADDR", "127.0.0.1", 1);
      setenv("MASTER_PORT", std::to_string(port).c_str(), 1);
      execl(THINWIRE_RANK_PROGRAM, THINWIRE_RANK_PROGRAM, what, nullptr);
      _exit(127);
    }
    close(ends[1]);
    output_ = ends[0];
  }
  ~RankProcess() {
    if (process_ > 0) kill(process_, SIGKILL);
    if (process_ > 0) Wait();
    close(output_);
  }
  RankProcess(const RankProcess&) = delete;
  RankProcess& operator=(const RankProcess&) = delete;

  void Kill() { kill(process_, SIGKILL); }

  // The next line it prints; empty at its end.
  std::string Line() {
    std::string line;
    char c = 0;
    while (read(output_, &c, 1) == 1 && c != '\n') line += c;
    return line;
  }
  // Exit status, or minus the signal that ended it.
  int Wait() {
    int status = 0;
    waitpid(std::exchange(process_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t process_ = -1;
  int output_ = -1;
};

using Ranks = std::vector<std::unique_ptr<RankProcess>>;
Ranks StartRanks(const std::vector<const char*>& what) {
  const int port = FreePort();
  Ranks ranks;
  for (size_t rank = 0; rank < what.size(); ++rank) {
    ranks.push_back(std::make_unique<RankProcess>(what[rank], static_cast<int>(rank),
                                                  static_cast<int>(what.size()), port));
  }
  return ranks;
}

TEST(ProcessTest, AKilledRankIsNamedToTheSurvivors) {
  Ranks ranks = StartRanks({"loop", "loop", "loop"});
  for (auto& rank : ranks) EXPECT_EQ(rank->Line(), "ready");
  ranks[2]->Kill();
  for (const size_t survivor : {size_t{0}, size_t{1}}) {
    EXPECT_THAT(ranks[survivor]->Line(), HasSubstr("rank 2"));
    EXPECT_EQ(ranks[survivor]->Wait(), 3);
  }
}

TEST(ProcessTest, TheRootsDeathIsNamedToo) {
  Ranks ranks = StartRanks({"loop", "loop", "loop"});
  for (auto& rank : ranks) EXPECT_EQ(rank->Line(), "ready");
  ranks[0]->Kill();
  for (const size_t survivor : {size_t{1}, size_t{2}}) {
    EXPECT_THAT(ranks[survivor]->Line(), HasSubstr("rank 0"));
    EXPECT_EQ(ranks[survivor]->Wait(), 3);
  }
}

TEST(ProcessTest, ExitWithoutDestroyIsCleanAndHurtsNobody) {
  Ranks ranks = StartRanks({"linger", "exit", "exit"});
  for (auto& rank : ranks) EXPECT_EQ(rank->Line(), "ready");
  EXPECT_EQ(ranks[1]->Wait(), 0);
  EXPECT_EQ(ranks[2]->Wait(), 0);
  EXPECT_EQ(ranks[0]->Line(), "");
  EXPECT_EQ(ranks[0]->Wait(), 0);
}

TEST(ProcessTest, ExitWithoutDestroyIsNamedToThoseWhoWait) {
  Ranks ranks = StartRanks({"loop", "exit"});
  for (auto& rank : ranks) EXPECT_EQ(rank->Line(), "ready");
  EXPECT_EQ(ranks[1]->Wait(), 0);
  EXPECT_THAT(ranks[0]->Line(), HasSubstr("rank 1"));
  EXPECT_EQ(ranks[0]->Wait(), 3);
}

}  // namespace
}  // namespace thinwire
