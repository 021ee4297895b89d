// SPDX-License-Identifier: Apache-2.0
//
// The C API of the codecs alone: checks arguments and fills the passes.

#include "thinwire/codec.h"

#include <vector>

#include "api/guard.h"
#include "codec/passes.h"

namespace thinwire {
namespace {

const Codec* FromC(thinwireCodec_t codec) { return reinterpret_cast<const Codec*>(codec); }

Status CheckDataType(thinwireDataType_t dtype) {
  if (static_cast<unsigned>(dtype) < kDataTypes) return {};
  return InvalidArgument("{} is no data type", static_cast<int>(dtype));
}

// Whether `codec` can code `count` elements of `dtype`; its bytes.
Result<size_t> CheckedBytes(const Codec* codec, size_t count, thinwireDataType_t dtype) {
  TW_TRY(CheckPointer(codec, "codec"));
  TW_TRY(CheckDataType(dtype));
  const auto type = static_cast<DataType>(dtype);
  if (!codec->Supports(type)) {
    return InvalidArgument("codec {} can't code {}; use raw", codec->spec(), NameOf(type));
  }
  return codec->EncodedBytes(count, type);
}

Status CheckCapacity(size_t needed, size_t capacity) {
  if (needed <= capacity) return {};
  return InvalidArgument("the target holds {} bytes; {} are needed", capacity, needed);
}

Result<StateSpan> StateOf(const Codec* codec, void* state, bool decodes) {
  StateSpan span;
  if (codec == nullptr || codec->feedback() == Feedback::kNone) return span;
  if (decodes && codec->feedback() == Feedback::kResidual) return span;
  if (state == nullptr) {
    return InvalidArgument("codec {} keeps state, and none was given", codec->spec());
  }
  span.kind = codec->feedback();
  span.storage = &codec->storage();
  span.before = span.after = static_cast<std::byte*>(state);
  return span;
}

std::span<const std::byte> Bytes(const void* data, size_t bytes) {
  return {static_cast<const std::byte*>(data), bytes};
}

Result<Term> TermOf(const thinwireCodecTerm_t& given, DataType dtype, size_t count) {
  const Codec* codec = FromC(given.codec);
  if (count != 0) TW_TRY(CheckPointer(given.data, "a term's data"));
  if (codec == nullptr && given.bytes != count * SizeOf(dtype)) {
    return InvalidArgument("a term of elements has {} bytes, which {} {} don't take", given.bytes,
                           count, NameOf(dtype));
  }
  TW_ASSIGN(const StateSpan state, StateOf(codec, given.state, /*decodes=*/true));
  return Term{.codec = codec, .bytes = Bytes(given.data, given.bytes), .state = state};
}

}  // namespace
}  // namespace thinwire

using namespace thinwire;  // NOLINT: the functions below are the API itself

extern "C" {

thinwireResult_t thinwireCodecFind(const char* spec, thinwireCodec_t* codec) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(spec, "spec"));
    TW_TRY(CheckPointer(codec, "codec"));
    TW_ASSIGN(const Codec* found, FindCodec(spec));
    *codec = reinterpret_cast<thinwireCodec_t>(found);
    return {};
  });
}

thinwireResult_t thinwireCodecEncodedBytes(thinwireCodec_t codec, size_t count,
                                           thinwireDataType_t dtype, size_t* bytes) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(bytes, "bytes"));
    TW_ASSIGN(*bytes, CheckedBytes(FromC(codec), count, dtype));
    return {};
  });
}

thinwireResult_t thinwireCodecStateBytes(thinwireCodec_t codec, size_t count, size_t* bytes) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(codec, "codec"));
    TW_TRY(CheckPointer(bytes, "bytes"));
    *bytes = FromC(codec)->StateBytes(count);
    return {};
  });
}

thinwireResult_t thinwireCodecStateReset(thinwireCodec_t codec, size_t count, void* state) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(codec, "codec"));
    if (FromC(codec)->StateBytes(count) == 0) return {};
    TW_TRY(CheckPointer(state, "state"));
    const std::vector<float> zeros(count);
    FromC(codec)->storage().Encode(zeros.data(), DataType::kFloat32, count,
                                   static_cast<std::byte*>(state));
    return {};
  });
}

thinwireResult_t thinwireCodecEncode(thinwireCodec_t codec, const void* source, size_t count,
                                     thinwireDataType_t dtype, void* target, size_t capacity,
                                     size_t* bytes, void* state, uint64_t seed) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(bytes, "bytes"));
    TW_ASSIGN(const size_t needed, CheckedBytes(FromC(codec), count, dtype));
    TW_TRY(CheckCapacity(needed, capacity));
    *bytes = 0;
    if (count == 0) return {};
    TW_TRY(CheckPointer(source, "source"));
    TW_TRY(CheckPointer(target, "target"));
    TW_ASSIGN(const StateSpan span, StateOf(FromC(codec), state, /*decodes=*/false));
    const auto type = static_cast<DataType>(dtype);
    auto* const to = static_cast<std::byte*>(target);
    TW_TRY(Encode(EncodePass{.codec = FromC(codec),
                             .source = source,
                             .dtype = type,
                             .count = count,
                             .target = to,
                             .noise = {.key = seed},
                             .state = span}));
    *bytes = FromC(codec)->UsedBytes(to, count, type);
    return {};
  });
}

thinwireResult_t thinwireCodecDecode(thinwireCodec_t codec, const void* source, size_t bytes,
                                     size_t count, thinwireDataType_t dtype, void* target,
                                     void* state) {
  return Guard([&]() -> Status {
    TW_TRY(CheckedBytes(FromC(codec), count, dtype).status());
    if (count != 0) TW_TRY(CheckPointer(source, "source"));
    if (count != 0) TW_TRY(CheckPointer(target, "target"));
    TW_ASSIGN(const StateSpan span, StateOf(FromC(codec), state, /*decodes=*/true));
    return Decode(DecodePass{.codec = FromC(codec),
                             .bytes = Bytes(source, bytes),
                             .dtype = static_cast<DataType>(dtype),
                             .count = count,
                             .target = target,
                             .state = span});
  });
}

thinwireResult_t thinwireCodecReduce(const thinwireCodecTerm_t* terms, size_t nterms, size_t count,
                                     thinwireDataType_t dtype, thinwireRedOp_t op,
                                     thinwireCodec_t codec, void* result, size_t capacity,
                                     size_t* bytes, void* state, uint64_t seed) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(bytes, "bytes"));
    TW_TRY(CheckPointer(terms, "terms"));
    const Codec* encoder = FromC(codec);
    const Codec* const written = encoder == nullptr ? &RawCodec() : encoder;
    TW_ASSIGN(const size_t needed, CheckedBytes(written, count, dtype));
    TW_TRY(CheckCapacity(needed, capacity));
    if (nterms == 0) return InvalidArgument("there are no terms");
    if (static_cast<unsigned>(op) >= kReductions) {
      return InvalidArgument("{} is no reduction", static_cast<int>(op));
    }
    *bytes = 0;
    if (count == 0) return {};
    TW_TRY(CheckPointer(result, "result"));
    const auto type = static_cast<DataType>(dtype);
    std::vector<Term> all;
    for (size_t i = 0; i < nterms; ++i) {
      TW_ASSIGN(Term term, TermOf(terms[i], type, count));
      all.push_back(term);
    }
    ReducePass pass;
    pass.terms = all;
    pass.dtype = type;
    pass.reduction = static_cast<Reduction>(op);
    pass.divisor = static_cast<int>(nterms);
    pass.count = count;
    pass.encoder = encoder;
    pass.noise.key = seed;
    TW_ASSIGN(pass.state, StateOf(encoder, state, /*decodes=*/false));
    if (encoder == nullptr) {
      pass.dense = result;
    } else {
      pass.encoded = static_cast<std::byte*>(result);
    }
    TW_TRY(Reduce(pass));
    *bytes = written->UsedBytes(static_cast<const std::byte*>(result), count, type);
    return {};
  });
}

}  // extern "C"
