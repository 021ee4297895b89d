// SPDX-License-Identifier: Apache-2.0
//
// Ranks in one process, on links of a given rate and delay.

#ifndef THINWIRE_TESTS_TRANSPORT_SHAPED_RANKS_H_
#define THINWIRE_TESTS_TRANSPORT_SHAPED_RANKS_H_

#include <memory>
#include <utility>

#include "transport/ranks.h"
#include "transport/shaped_transport.h"

namespace thinwire {

inline constexpr double kMbit = 1e6 / 8;  // bytes a second

inline Result<std::unique_ptr<Transport>> MakeShapedLoopback(const ShapeOptions& options) {
  TW_ASSIGN(auto inner, MakeTransport("loopback", {}));
  return MakeShapedTransport(std::move(inner), options);
}

// All links carry `rate` bytes a second on the wire (0: any), `delay` one way.
inline MakeForRanks Shaped(double rate, Duration delay) {
  return [=](int ranks) { return MakeShapedLoopback(UniformShape(ranks, {rate, delay})); };
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_TRANSPORT_SHAPED_RANKS_H_
