// SPDX-License-Identifier: Apache-2.0
#include "training_grid.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>
#include <vector>

namespace thinwire::compare {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(20);
constexpr auto kLongestWait = std::chrono::seconds(120);

// The first rank of a communicator leaves its id in a file for the others.
thinwireUniqueId IdOf(const std::string& path, bool first) {
  thinwireUniqueId id{};
  if (first) {
    Check(thinwireGetUniqueId(&id), "creating an id");
    std::ofstream(path + ".part", std::ios::binary).write(id.internal, sizeof(id.internal));
    std::filesystem::rename(path + ".part", path);
    return id;
  }
  const auto deadline = std::chrono::steady_clock::now() + kLongestWait;
  while (!std::filesystem::exists(path)) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error(path + " did not come; is its first rank there?");
    }
    std::this_thread::sleep_for(kLookAgain);
  }
  std::ifstream(path, std::ios::binary).read(id.internal, sizeof(id.internal));
  return id;
}

// The lines of a link file that are about `members`, numbered as in their communicator.
std::string LinksAmong(const std::vector<int>& members, const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("can't read " + path);
  const auto number = [&](int rank) {
    return std::find(members.begin(), members.end(), rank) - members.begin();
  };
  // Lines are `from to ...` and `nic rank ...`; others are comments.
  const auto renumbered = [&](std::string* word) {
    if (*word == "nic") return true;
    if (word->find_first_not_of("0123456789") != std::string::npos) return false;
    const auto at = number(std::stoi(*word));
    *word = std::to_string(at);
    return at < static_cast<ptrdiff_t>(members.size());
  };
  std::string lines = "lines=";
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first;
    std::string second;
    if (!(words >> first >> second) || !renumbered(&first) || !renumbered(&second)) continue;
    const std::string rest{std::istreambuf_iterator<char>(words), {}};
    lines += first + ' ' + second + rest + '\n';
  }
  return lines;
}

thinwireComm_t Join(const GridOptions& options, const std::string& name,
                    const std::vector<int>& members) {
  const auto self = std::find(members.begin(), members.end(), options.rank);
  const auto number = static_cast<int>(self - members.begin());
  const thinwireUniqueId id = IdOf(options.meet + '/' + name, number == 0);
  const std::string policy =
      "all_reduce float >=0: " + options.codec + "; send bfloat16 >=0: " + options.codec;
  std::string links;
  if (!options.link_file.empty()) links = LinksAmong(members, options.link_file);
  thinwireConfig_t config = THINWIRE_CONFIG_INITIALIZER;
  config.policy = policy.c_str();
  config.link = links.c_str();
  thinwireComm_t comm = nullptr;
  Check(thinwireCommInitRank(&comm, static_cast<int>(members.size()), id, number, &config),
        name.c_str());
  return comm;
}

int64_t LargestAmong(thinwireComm_t comm, int64_t mine) {
  Check(thinwireAllReduce(&mine, &mine, 1, thinwireInt64, thinwireMax, comm, nullptr), "maximum");
  return mine;
}

}  // namespace

void Check(thinwireResult_t result, const char* what) {
  if (result == thinwireSuccess) return;
  throw std::runtime_error(std::string(what) + ": " + thinwireGetLastError(nullptr));
}

TrainingGrid::TrainingGrid(const GridOptions& options)
    : stage_(options.rank / options.replicas), replica_(options.rank % options.replicas) {
  std::vector<int> of_stage;
  for (int i = 0; i < options.replicas; ++i) of_stage.push_back(stage_ * options.replicas + i);
  std::vector<int> of_pipeline;
  for (int i = 0; i < options.stages; ++i) of_pipeline.push_back(i * options.replicas + replica_);
  replicas_ = Join(options, "stage-" + std::to_string(stage_), of_stage);
  pipeline_ = Join(options, "pipeline-" + std::to_string(replica_), of_pipeline);
  Start();  // rehearses: the lag of the next one is known
}

TrainingGrid::~TrainingGrid() {
  thinwireCommDestroy(pipeline_);
  thinwireCommDestroy(replicas_);
}

// Every stage meets every pipeline, so two rounds reach all.
int64_t TrainingGrid::Largest(int64_t mine) const {
  return LargestAmong(pipeline_, LargestAmong(replicas_, mine));
}

int64_t TrainingGrid::Start() {
  const int64_t lag = Largest(observed_);
  const int64_t last = Largest(Now());
  observed_ = Now() - last;
  const int64_t start = last + lag + lag / 4 + 1'000'000;
  std::this_thread::sleep_for(std::chrono::nanoseconds(start - Now()));
  return start;
}

int64_t TrainingGrid::Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace thinwire::compare
