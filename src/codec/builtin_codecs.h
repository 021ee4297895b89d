// SPDX-License-Identifier: Apache-2.0
//
// The families of codecs of this build, one file each; registry.cc lists them. A new family is its
// file, a declaration here, a number in CodecId and a line in the registry.

#ifndef THINWIRE_CODEC_BUILTIN_CODECS_H_
#define THINWIRE_CODEC_BUILTIN_CODECS_H_

#include <memory>
#include <span>
#include <string>

#include "codec/codec.h"
#include "codec/spec.h"

namespace thinwire {

// How a quantizer rounds: to nearest, ties to even; `+sr` at random; `+unbiased` with a scale that
// makes the expectation of the decoded block the block.
enum class Rounding : uint8_t { kNearest, kStochastic, kUnbiased };

// What stands behind a family's name in a spec. Families check the arguments; the registry checks
// that the family knows the rounding.
struct CodecOptions {
  std::string name;
  std::span<const CodecSpec::Argument> arguments;
  Rounding rounding = Rounding::kNearest;
};

// RawCodec() stands in codec.h.
Result<std::unique_ptr<const Codec>> MakeBf16(const CodecOptions& options);
Result<std::unique_ptr<const Codec>> MakeQ8(const CodecOptions& options);
Result<std::unique_ptr<const Codec>> MakeQ4(const CodecOptions& options);

}  // namespace thinwire

#endif  // THINWIRE_CODEC_BUILTIN_CODECS_H_
