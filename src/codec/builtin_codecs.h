// SPDX-License-Identifier: Apache-2.0
//
// The codecs of this build, one file each; registry.cc lists them. A new codec is its file, a
// declaration here, a number in CodecId and a line in the registry.

#ifndef THINWIRE_CODEC_BUILTIN_CODECS_H_
#define THINWIRE_CODEC_BUILTIN_CODECS_H_

#include "codec/codec.h"

namespace thinwire {

// RawCodec() stands in codec.h.
const Codec& Bf16Codec();
const Codec& Q8Codec();

}  // namespace thinwire

#endif  // THINWIRE_CODEC_BUILTIN_CODECS_H_
