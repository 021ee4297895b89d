// SPDX-License-Identifier: Apache-2.0
//
// Ranks as processes, told by the environment which they are.

#ifndef THINWIRE_TESTS_SUPPORT_RANK_PROCESS_H_
#define THINWIRE_TESTS_SUPPORT_RANK_PROCESS_H_

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace thinwire {

// Free at this moment, for the rank that the others find.
inline int PortForRanks() {
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
  struct Command {
    std::string program;
    std::vector<std::string> arguments = {};
  };
  RankProcess(const Command& command, int rank, int ranks, int port) {
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
      std::vector<char*> arguments = {const_cast<char*>(command.program.c_str())};
      for (const std::string& each : command.arguments) {
        arguments.push_back(const_cast<char*>(each.c_str()));
      }
      arguments.push_back(nullptr);
      execv(command.program.c_str(), arguments.data());
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

}  // namespace thinwire

#endif  // THINWIRE_TESTS_SUPPORT_RANK_PROCESS_H_
