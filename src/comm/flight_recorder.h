// SPDX-License-Identifier: Apache-2.0
//
// FlightRecorder: the last calls of a communicator, for finding out after a failure what each rank
// was at. Written as JSON in the layout of PyTorch's flight recorder (version 2.10), whose tools
// compare the ranks' files. Any thread.

#ifndef THINWIRE_COMM_FLIGHT_RECORDER_H_
#define THINWIRE_COMM_FLIGHT_RECORDER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "base/status.h"
#include "collective/operation_run.h"

namespace thinwire {

class FlightRecorder {
 public:
  struct Options {
    int rank = 0;
    int ranks = 1;
    uint64_t communicator = 0;  // its name on the wire
    size_t calls = 0;           // that are kept
    double timeout_seconds = 0;
    // Where it writes itself on failure: %r stands for the rank, %c for the communicator, %h for
    // the host, %p for the process; empty: nowhere.
    std::string file;
  };
  explicit FlightRecorder(Options options) : options_(std::move(options)) {}

  void Add(const Collective& collective, std::shared_ptr<Completion> completion);
  std::string Json() const;
  Status Write(const std::string& path) const;
  // The communicator has failed: writes the file, once.
  void OnFailure();

 private:
  struct Record {
    uint64_t id;
    PlanRequest request;
    Algorithm algorithm;
    uint64_t sequence;
    bool repeats;  // captured in a graph: what it did is not known here
    int64_t created_ns;
    std::shared_ptr<Completion> completion;
  };
  std::string JsonOf(const Record& record) const;

  const Options options_;
  std::atomic<bool> written_{false};
  mutable std::mutex mutex_;
  std::deque<Record> records_;
  uint64_t added_ = 0;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_FLIGHT_RECORDER_H_
