// SPDX-License-Identifier: Apache-2.0
//
// The modifiers that keep state, as codecs: bytes and loops are those of the codec they modify;
// what they add is said by Codec::feedback and done by the passes (codec/passes.h).

#ifndef THINWIRE_CODEC_STATEFUL_CODEC_H_
#define THINWIRE_CODEC_STATEFUL_CODEC_H_

#include <memory>
#include <string>

#include "codec/codec.h"

namespace thinwire {

// All codecs given must outlive the result.

// `base+ef(storage)`: error feedback (Seide et al. 2014; Karimireddy et al. 2019, algorithm 2).
Result<std::unique_ptr<const Codec>> MakeResidualCodec(const Codec& base, const Codec& storage);

// `delta(base,storage,first)`: differences against a reference that both ends keep (AQ-SGD, Wang et
// al. 2022, algorithm 1; EF21, Richtarik et al. 2021).
Result<std::unique_ptr<const Codec>> MakeReferenceCodec(const Codec& base, const Codec& storage,
                                                        const Codec& first);

}  // namespace thinwire

#endif  // THINWIRE_CODEC_STATEFUL_CODEC_H_
