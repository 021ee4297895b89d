// SPDX-License-Identifier: Apache-2.0
//
// What state is kept under, and what it must fit: docs/state.md.

#ifndef THINWIRE_COMM_REPLICA_KEY_H_
#define THINWIRE_COMM_REPLICA_KEY_H_

#include <compare>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "base/types.h"

namespace thinwire {

struct ReplicaKey {
  static constexpr int kAllPeers = -1;

  uint64_t user = 0;  // thinwireCallOptions_t::key
  Operation operation = Operation::kAllReduce;
  bool sent = false;     // a residual, or the reference of what this rank sends; else of what it
                         // receives
  int peer = kAllPeers;  // kAllPeers: the same bytes go to all
  uint16_t message = 0;  // which message of this ordered pair within the operation

  auto operator<=>(const ReplicaKey&) const = default;

  // "key 7 (all_reduce, received from rank 3, message 1)".
  std::string Text() const;
};

// State serves only calls of the shape it was made by.
struct ReplicaShape {
  static constexpr size_t kMaxTextBytes = 1024;  // of codec and of layout

  std::string codec;  // canonical spec
  uint64_t elements = 0;
  DataType dtype = DataType::kFloat32;
  std::string layout;  // what else must be equal, in words, e.g. algorithm and ranks

  bool operator==(const ReplicaShape&) const = default;

  // "1000 float as 'rq4+ef' (sra, 4 ranks)".
  std::string Text() const;
  // Both texts must be printable ASCII and not too long: they stand in streams and error texts.
  Status Check() const;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_REPLICA_KEY_H_
