// SPDX-License-Identifier: Apache-2.0
//
// Ranks as processes, started with the variables that launchers set.
#include "bootstrap/launch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <memory>
#include <thread>

#include "base/socket.h"
#include "free_port.h"

namespace thinwire {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

struct Outcome {
  std::string output;
  int status = -1;
};

// Runs launch_program with these variables and none that a launcher of the test may have set.
Outcome RunRank(const Variables& variables, int communicators = 1) {
  std::string command =
      "env -u RANK -u WORLD_SIZE -u MASTER_ADDR -u MASTER_PORT -u OMPI_COMM_WORLD_RANK "
      "-u PMI_RANK -u PMIX_RANK -u TORCHELASTIC_USE_AGENT_STORE -u TORCHELASTIC_RUN_ID";
  for (const auto& [name, value] : variables) command += fmt::format(" {}='{}'", name, value);
  command += fmt::format(" '{}' {} 2>&1", THINWIRE_LAUNCH_PROGRAM, communicators);
  Outcome outcome;
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  while (size_t got = fread(buffer, 1, sizeof(buffer), pipe)) outcome.output.append(buffer, got);
  outcome.status = pclose(pipe);
  return outcome;
}

std::vector<Outcome> RunRanks(const std::vector<Variables>& ranks, int communicators = 1) {
  std::vector<Outcome> outcomes(ranks.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < ranks.size(); ++i) {
    threads.emplace_back([&, i] { outcomes[i] = RunRank(ranks[i], communicators); });
  }
  for (std::thread& thread : threads) thread.join();
  return outcomes;
}

std::vector<Variables> Job(int nranks, const Variables& more = {}) {
  std::vector<Variables> ranks;
  const std::string port = std::to_string(FreePort());
  for (int rank = 0; rank < nranks; ++rank) {
    Variables variables = {{"RANK", std::to_string(rank)},
                           {"WORLD_SIZE", std::to_string(nranks)},
                           {"MASTER_ADDR", "localhost"},
                           {"MASTER_PORT", port}};
    variables.insert(more.begin(), more.end());
    ranks.push_back(variables);
  }
  return ranks;
}

TEST(LaunchTest, ProcessStartedAloneFindsNothing) {
  const Outcome outcome = RunRank({});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.output, "alone\n");
}

TEST(LaunchTest, RanksOfVariablesMeet) {
  const std::vector<Outcome> outcomes = RunRanks(Job(3));
  for (size_t rank = 0; rank < outcomes.size(); ++rank) {
    EXPECT_EQ(outcomes[rank].output,
              fmt::format("rank {} of 3 by RANK/WORLD_SIZE met 0 1 2\n", rank));
  }
}

TEST(LaunchTest, CommunicatorsFollowEachOtherOnOnePort) {
  for (const Outcome& outcome : RunRanks(Job(3), 10)) {
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 10) << outcome.output;
  }
}

TEST(LaunchTest, PortOfTorchrunsStoreIsLeftAlone) {
  auto ranks = Job(2, {{"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  const auto port = static_cast<uint16_t>(std::stoi(ranks[0]["MASTER_PORT"]));
  const Result<Fd> store = Listen(nullptr, port);  // as torchrun's agent does
  ASSERT_TRUE(store.ok()) << store.status().message();
  for (const Outcome& outcome : RunRanks(ranks)) EXPECT_EQ(outcome.status, 0) << outcome.output;
}

TEST(LaunchTest, PortVariableOverridesMasterPort) {
  auto ranks = Job(2, {{"THINWIRE_PORT", std::to_string(FreePort())}});
  for (Variables& variables : ranks) variables.erase("MASTER_PORT");
  for (const Outcome& outcome : RunRanks(ranks)) EXPECT_EQ(outcome.status, 0) << outcome.output;
}

TEST(LaunchTest, OccupiedPortIsNamedWithTheWayOut) {
  auto ranks = Job(1);
  const auto port = static_cast<uint16_t>(std::stoi(ranks[0]["MASTER_PORT"]));
  const Result<Fd> occupant = Listen(nullptr, port);
  const Outcome outcome = RunRank(ranks[0]);
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.output, AllOf(HasSubstr(std::to_string(port)), HasSubstr("in use"),
                                    HasSubstr("THINWIRE_PORT")));
}

TEST(LaunchTest, RankWithAnotherSecretIsTurnedAway) {
  auto ranks = Job(2, {{"THINWIRE_CONNECT_TIMEOUT", "3s"}});
  ranks[0]["THINWIRE_SECRET"] = "ours";
  ranks[1]["THINWIRE_SECRET"] = "theirs";
  const std::vector<Outcome> outcomes = RunRanks(ranks);
  EXPECT_THAT(outcomes[0].output, HasSubstr("rank 1 of 2 did not join"));
  EXPECT_THAT(outcomes[1].output, HasSubstr("secret"));
}

TEST(LaunchTest, MissingAndSenselessVariablesAreNamed) {
  for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}) {
    Variables variables = Job(1)[0];
    variables.erase(name);
    const Outcome outcome = RunRank(variables);
    EXPECT_NE(outcome.status, 0);
    EXPECT_THAT(outcome.output, HasSubstr(fmt::format("{} is not set", name)));
  }
  const std::pair<const char*, const char*> kSenseless[] = {
      {"RANK", "1"},       {"RANK", "-1"},           {"RANK", "0x"},
      {"WORLD_SIZE", "0"}, {"MASTER_PORT", "65536"}, {"MASTER_ADDR", "no-such-host.invalid"}};
  for (const auto& [name, value] : kSenseless) {
    Variables variables = Job(1)[0];
    variables[name] = value;
    const Outcome outcome = RunRank(variables);
    EXPECT_NE(outcome.status, 0);
    EXPECT_THAT(outcome.output, AllOf(HasSubstr(name), HasSubstr(value)));
  }
}

TEST(LaunchTest, MissingMpiModuleIsNamedWithThePackage) {
  // A copy of the program in a folder of its own doesn't find the module beside it.
  const std::string folder = testing::TempDir() + "/launch_test_alone";
  const std::string copy = folder + "/launch_program";
  ASSERT_EQ(std::system(
                fmt::format("mkdir -p '{}' && cp '{}' '{}'", folder, THINWIRE_LAUNCH_PROGRAM, copy)
                    .c_str()),
            0);
  FILE* pipe = popen(
      fmt::format("env -u RANK -u WORLD_SIZE -u LD_LIBRARY_PATH PMI_RANK=0 '{}'", copy).c_str(),
      "r");
  char buffer[4096] = "";
  const size_t got = fread(buffer, 1, sizeof(buffer) - 1, pipe);
  EXPECT_NE(pclose(pipe), 0);
  EXPECT_THAT(
      std::string(buffer, got),
      AllOf(HasSubstr("libthinwire_mpi.so"), HasSubstr("libopenmpi-dev"), HasSubstr("WORLD_SIZE")));
}

}  // namespace
}  // namespace thinwire
