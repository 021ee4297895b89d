// SPDX-License-Identifier: Apache-2.0
//
// One rank of a job that goes on when ranks are lost: survival_program POLICY STEPS; RANK and the
// like say which. Prints "ready" when all are there, then a hash of every result that counts, and
// of who took part in it: those that are left print the same.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "thinwire/thinwire.h"

namespace {

class Hash {
 public:
  template <typename T>
  void Add(const T& value) {
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (const unsigned char byte : bytes) value_ = (value_ ^ byte) * 0x100000001b3;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325;
};

// The hash of a step's calls, whose inputs depend on the step alone; 0: one failed.
uint64_t Step(thinwireComm_t comm, int rank, int step) {
  Hash hash;
  for (int call = 0; call < 3; ++call) {
    std::vector<float> values(size_t{1} << (2 + 5 * call));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(rank + 1) * 0.1f + static_cast<float>(i % 97 + step % 13);
    }
    const thinwireRedOp_t op = call == 1 ? thinwireAvg : thinwireSum;
    if (thinwireAllReduce(values.data(), values.data(), values.size(), thinwireFloat32, op, comm,
                          nullptr) != thinwireSuccess) {
      return 0;
    }
    for (const float value : values) hash.Add(value);
    uint64_t party = 0;
    thinwireCommParticipants(comm, nullptr, nullptr, &party);
    hash.Add(party);
  }
  return hash.value();
}

}  // namespace

// Some of these ranks are killed: that is no leak to report.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options();  // NOLINT
const char* __asan_default_options() { return "detect_leaks=0"; }

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const bool votes = std::strncmp(argv[1], "vote", 4) == 0;
  thinwireConfig_t config = THINWIRE_CONFIG_INITIALIZER;
  config.survival = argv[1];
  config.silenceSeconds = 5;
  thinwireComm_t comm = nullptr;
  int rank = 0;
  if (thinwireCommInitFromEnvironment(&comm, &config) != thinwireSuccess ||
      thinwireCommUserRank(comm, &rank) != thinwireSuccess) {
    std::printf("%s\n", thinwireGetLastError(nullptr));
    return 3;
  }
  std::printf("ready\n");
  std::fflush(stdout);
  Hash all;
  for (int step = 0; step < std::atoi(argv[2]);) {
    const uint64_t result = Step(comm, rank, step);
    int committed = 1;
    if (result == 0 || (votes && thinwireCommVote(comm, 1, &committed) != thinwireSuccess)) {
      std::printf("step %d: %s\n", step, thinwireGetLastError(comm));
      return 4;
    }
    if (committed == 0) continue;  // once more
    all.Add(result);
    ++step;
    if (step % 7 == rank) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // computes
  }
  std::printf("%016llx\n", static_cast<unsigned long long>(all.value()));
  return thinwireCommDestroy(comm) == thinwireSuccess ? 0 : 5;
}
