// SPDX-License-Identifier: Apache-2.0
//
// One rank as a process: rank_program WHAT; RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say
// which.
//   loop   all-reduces until one fails, then prints why and exits with 3
//   exit   a few all-reduces, then returns from main without destroying its communicator
//   linger like exit, but waits a moment and checks that nothing has failed, and destroys
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "thinwire/thinwire.h"

namespace {

thinwireResult_t AllReduce(thinwireComm_t comm, int nranks) {
  std::vector<float> values(50'000, 1.0f);
  const thinwireResult_t result = thinwireAllReduce(values.data(), values.data(), values.size(),
                                                    thinwireFloat32, thinwireSum, comm, nullptr);
  if (result != thinwireSuccess) return result;
  for (const float value : values) {
    if (value != static_cast<float>(nranks)) {
      std::printf("wrong: %g\n", static_cast<double>(value));
      return thinwireInternalError;
    }
  }
  return thinwireSuccess;
}

int Fail(thinwireComm_t comm) {
  std::printf("%s\n", thinwireGetLastError(comm));
  std::fflush(stdout);
  thinwireCommDestroy(comm);
  return 3;
}

}  // namespace

// Some of these ranks end without destroying their communicator: that is no leak to report.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options();  // NOLINT
const char* __asan_default_options() { return "detect_leaks=0"; }

int main(int argc, char** argv) {
  const char* const what = argc > 1 ? argv[1] : "loop";
  thinwireConfig_t config = THINWIRE_CONFIG_INITIALIZER;
  config.timeoutSeconds = 20;
  config.silenceSeconds = 5;
  config.connectTimeoutSeconds = 60;
  thinwireComm_t comm = nullptr;
  if (thinwireCommInitFromEnvironment(&comm, &config) != thinwireSuccess) return Fail(nullptr);
  int nranks = 0;
  thinwireCommCount(comm, &nranks);
  for (int i = 0; i < 3; ++i) {
    if (AllReduce(comm, nranks) != thinwireSuccess) return Fail(comm);
  }
  std::printf("ready\n");
  std::fflush(stdout);
  if (std::strcmp(what, "exit") == 0) return 0;
  if (std::strcmp(what, "linger") == 0) {
    std::this_thread::sleep_for(std::chrono::seconds(2));
    thinwireResult_t error = thinwireInternalError;
    thinwireCommGetAsyncError(comm, &error);
    if (error != thinwireSuccess) return Fail(comm);
    return thinwireCommDestroy(comm) == thinwireSuccess ? 0 : 4;
  }
  while (AllReduce(comm, nranks) == thinwireSuccess) {
  }
  return Fail(comm);
}
