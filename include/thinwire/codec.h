/* SPDX-License-Identifier: Apache-2.0
 *
 * Thinwire's codecs alone, without a communicator: encode, decode and reduce runs of elements in host
 * memory. docs/codecs.md has every codec's formula, layout and error; docs/state.md what state is.
 *
 * Conventions
 *  - As in thinwire.h: nothing is printed, nothing exits; thinwireGetLastError(NULL) has the text of
 *    the calling thread's last failure. `count` is in elements. No alignment is required.
 *  - Each call reads its inputs once and writes its outputs once, on the calling thread. Any number
 *    of threads may call at once on memory of their own.
 *  - The same input gives the same bytes on every machine.
 *  - Floating types are coded as binary32 and, when decoded, rounded once to the type.
 */
#ifndef THINWIRE_CODEC_H_
#define THINWIRE_CODEC_H_

#include "thinwire/thinwire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A codec, such as "q8", "rq4+ef" or "delta(rq2)". Lives as long as the process; is not freed. */
typedef const struct thinwireCodec* thinwireCodec_t;

/* thinwireInvalidArgument says which part of the spec makes no sense, and suggests. */
THINWIRE_API thinwireResult_t thinwireCodecFind(const char* spec, thinwireCodec_t* codec);

/* *bytes = what `count` elements take when encoded; the most they may take for codecs whose size
 * depends on the elements (x3). */
THINWIRE_API thinwireResult_t thinwireCodecEncodedBytes(thinwireCodec_t codec, size_t count,
                                                        thinwireDataType_t dtype, size_t* bytes);

/* *bytes = what the state of `count` elements takes: of `+ef` the residual, of `delta` the reference;
 * 0 for codecs without state. */
THINWIRE_API thinwireResult_t thinwireCodecStateBytes(thinwireCodec_t codec, size_t count,
                                                      size_t* bytes);
/* Makes the state what it is before the first call: zeros, as the codec keeps them. */
THINWIRE_API thinwireResult_t thinwireCodecStateReset(thinwireCodec_t codec, size_t count,
                                                      void* state);

/* target = encode(source[count]); *bytes = how much was written, at most `capacity`.
 * `state` is advanced in place; NULL for codecs without one. With y = decode(target):
 *   +ef     t = x + e is encoded, e = t - y stays
 *   delta   t = x - m is encoded, m = m + y stays, at both ends
 * `seed` chooses the random bits of `+sr` and `+unbiased`; others ignore it. */
THINWIRE_API thinwireResult_t thinwireCodecEncode(thinwireCodec_t codec, const void* source,
                                                  size_t count, thinwireDataType_t dtype,
                                                  void* target, size_t capacity, size_t* bytes,
                                                  void* state, uint64_t seed);

/* target[count] = decode(source[bytes]). Any bytes give elements or thinwireRemoteError. `state`: of
 * delta, the reference, advanced in place, and what it then holds is the result; ignored by others.
 * After an error `state` may have been advanced in part: reset it. */
THINWIRE_API thinwireResult_t thinwireCodecDecode(thinwireCodec_t codec, const void* source,
                                                  size_t bytes, size_t count,
                                                  thinwireDataType_t dtype, void* target,
                                                  void* state);

/* One contribution to thinwireCodecReduce: encoded (codec set) or `count` elements (codec NULL). */
typedef struct {
  thinwireCodec_t codec;
  const void* data;
  size_t bytes;
  void* state; /* of delta; else NULL */
} thinwireCodecTerm_t;

/* result = sum of the terms, added in the order given, in binary32 (double in binary64); with
 * thinwireAvg divided by nterms. Where `codec` is NULL the result is `count` elements; else it is
 * encoded like thinwireCodecEncode does, with `state` and `seed`. *bytes = how much was written. */
THINWIRE_API thinwireResult_t thinwireCodecReduce(const thinwireCodecTerm_t* terms, size_t nterms,
                                                  size_t count, thinwireDataType_t dtype,
                                                  thinwireRedOp_t op, thinwireCodec_t codec,
                                                  void* result, size_t capacity, size_t* bytes,
                                                  void* state, uint64_t seed);

#ifdef __cplusplus
}
#endif

#endif /* THINWIRE_CODEC_H_ */
