// SPDX-License-Identifier: Apache-2.0
#include "meeting.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

namespace thinwire::chaos {
namespace {

constexpr auto kPause = std::chrono::milliseconds(5);

void Leave(const std::string& file, const thinwireUniqueId& id) {
  const std::string draft = file + ".draft";
  std::ofstream(draft, std::ios::binary).write(id.internal, sizeof(id.internal));
  std::rename(draft.c_str(), file.c_str());  // whole, or not there
}

thinwireUniqueId Await(const std::string& file, double seconds) {
  thinwireUniqueId id = {};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < deadline) {
    std::ifstream found(file, std::ios::binary);
    if (found.read(id.internal, sizeof(id.internal))) return id;
    std::this_thread::sleep_for(kPause);
  }
  throw ChaosError("nobody left " + file);
}

}  // namespace

void Check(thinwireResult_t result, const std::string& what) {
  if (result != thinwireSuccess) throw ChaosError(what + ": " + thinwireGetLastError(nullptr));
}

thinwireComm_t Meet(const std::string& folder, const std::string& name, int self,
                    const std::vector<int>& members, const thinwireConfig_t& config) {
  const std::string file = folder + "/" + name + ".id";
  thinwireUniqueId id = {};
  if (self == members.front()) {
    Check(thinwireGetUniqueId(&id), name);
    Leave(file, id);
  } else {
    id = Await(file, config.connectTimeoutSeconds);
  }
  const auto at = std::find(members.begin(), members.end(), self);
  thinwireComm_t comm = nullptr;
  Check(thinwireCommInitRank(&comm, static_cast<int>(members.size()), id,
                             static_cast<int>(at - members.begin()), &config),
        name);
  return comm;
}

}  // namespace thinwire::chaos
