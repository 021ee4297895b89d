// SPDX-License-Identifier: Apache-2.0
#include "codec/codec.h"

namespace thinwire {

size_t Codec::UsedBytes(const std::byte*, size_t count, DataType dtype) const {
  return EncodedBytes(count, dtype);
}

void Codec::MeasureSteps(const void*, DataType, size_t, uint16_t*) const {}

const Codec& Codec::storage() const { return RawCodec(); }
const Codec& Codec::first_visit() const { return RawCodec(); }
const Codec& Codec::ForSums(int) const { return *this; }

}  // namespace thinwire
