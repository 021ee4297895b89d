// SPDX-License-Identifier: Apache-2.0

#ifndef THINWIRE_CODEC_FACTOR_H_
#define THINWIRE_CODEC_FACTOR_H_

#include <array>
#include <cstddef>

namespace thinwire {

// A scalar of the elements' type, by which a rank multiplies what it contributes to a sum.
struct Factor {
  std::array<std::byte, 8> value{};
  const void* at = nullptr;  // in its place: memory of the device, read when the pass runs
};

}  // namespace thinwire

#endif  // THINWIRE_CODEC_FACTOR_H_
