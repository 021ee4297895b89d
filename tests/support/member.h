// SPDX-License-Identifier: Apache-2.0
//
// Member: one rank's end of a communicator in a test, whatever stands behind it: the C API or an
// engine over a transport of the test's making. Suites are written against it once.

#ifndef THINWIRE_TESTS_SUPPORT_MEMBER_H_
#define THINWIRE_TESTS_SUPPORT_MEMBER_H_

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "collective/plan.h"

namespace thinwire {

struct Op {
  Operation operation = Operation::kAllReduce;
  size_t count = 0;
  DataType dtype = DataType::kFloat32;
  Reduction reduction = Reduction::kSum;
  int root = 0;  // or the peer
  std::string codec = "raw";
  Algorithm algorithm = Algorithm::kAuto;
};

class Member {
 public:
  virtual ~Member() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;

  struct Part {
    Op op;
    const void* send = nullptr;
    void* recv = nullptr;
  };
  // Runs operations that start together to their end; the first error.
  virtual Status RunTogether(const std::vector<Part>& parts) = 0;

  Status Run(const Op& op, const void* send, void* recv) { return RunTogether({{op, send, recv}}); }
};

// Runs `body` as each rank, on a thread of its own, of a fresh communicator.
using RunMembers = std::function<void(int ranks, const std::function<void(Member&)>& body)>;

inline void OnThreads(int threads, const std::function<void(int)>& body) {
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) running.emplace_back(body, i);
  for (std::thread& thread : running) thread.join();
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_SUPPORT_MEMBER_H_
