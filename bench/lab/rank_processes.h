// SPDX-License-Identifier: Apache-2.0
// Starts one process for each rank, passes on its output and the signals we get, and doesn't return
// before every descendant has ended. We are the subreaper of our descendants, so a daemon or the
// child of a dead child can't escape: it becomes ours and is ended by its id.
#ifndef THINWIRE_BENCH_LAB_RANK_PROCESSES_H_
#define THINWIRE_BENCH_LAB_RANK_PROCESSES_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "line_output.h"
#include "unique_fd.h"

namespace thinwire::lab {

inline constexpr int kExitTimeout = 124;

struct ProcessSpec {
  int netns = -1;
  std::optional<int> rank;  // none for a process that starts the ranks
  std::vector<std::string> command;
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours
};

struct SuperviseOptions {
  int64_t grace_ns = 10'000'000'000;  // from a failure or signal until those left are ended
  int64_t timeout_ns = 0;             // of the whole; 0: none
  bool prefix = true;                 // "[rank] " before each line
  std::optional<int> only;            // show this rank's output alone
};

// Blocks the signals we wait for; call before any thread starts, so that all threads inherit it.
void BlockSignals();

class RankProcesses {
 public:
  explicit RankProcesses(const SuperviseOptions& options);
  ~RankProcesses();
  RankProcesses(const RankProcesses&) = delete;
  RankProcesses& operator=(const RankProcesses&) = delete;

  void Start(const ProcessSpec& spec);

  // Whether the output of `rank` is wanted.
  bool Shown(std::optional<int> rank) const { return !options_.only || options_.only == rank; }

  // Also shows what comes out of `source` as output of `rank`, for ranks that others start.
  void ShowOutput(std::optional<int> rank, UniqueFd source, int target);

  // Waits for all. Returns the first status that isn't 0, 128 + signal for a signal, or
  // kExitTimeout.
  int Wait();

 private:
  struct Child {
    std::string name;
    pid_t pid = 0;
    bool running = true;
  };

  bool AnyRunning() const;
  void WaitForEvent();
  void Reap();
  void OnSignal();
  void Fail(int status);
  void Escalate();
  void EndDescendants();

  SuperviseOptions options_;
  LineOutput output_;
  UniqueFd signals_;
  std::vector<Child> children_;
  int status_ = 0;
  int signals_seen_ = 0;
  // When those left are next sent something stronger: SIGTERM, then SIGKILL.
  int64_t deadline_ = INT64_MAX;
  int64_t timeout_at_ = INT64_MAX;
  bool terminated_ = false;
};

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_RANK_PROCESSES_H_
