// SPDX-License-Identifier: Apache-2.0
//
// What NCCL_ALGO asks for, in algorithms of ours: "Ring", "^NVLS", "allreduce:tree;broadcast:ring".
// Names in any case of letters. Immutable.

#ifndef THINWIRE_COMM_NCCL_ALGORITHMS_H_
#define THINWIRE_COMM_NCCL_ALGORITHMS_H_

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "codec/codec.h"
#include "collective/plan.h"

namespace thinwire {

class NcclAlgorithms {
 public:
  NcclAlgorithms() = default;
  explicit NcclAlgorithms(std::string_view text);

  // The first that was asked for and can do `operation` in `codec`; kAuto: none.
  Algorithm For(Operation operation, const Codec& codec) const;
  // What the text says that has no meaning here, for the log.
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  void Add(std::string_view name, const std::vector<Operation>& operations);

  std::array<std::vector<Algorithm>, kOperations> asked_;  // by operation
  std::vector<std::string> ignored_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_NCCL_ALGORITHMS_H_
