// SPDX-License-Identifier: Apache-2.0
//
// Parts of passes: the same pass over a range of its elements.

#include <vector>

#include "codec/passes.h"

namespace thinwire {
namespace {

bool HasFixedSize(const Codec* codec) { return codec == nullptr || codec->fixed_size(); }

// Where the elements from `begin` on stand in a run.
size_t Offset(const Codec* codec, size_t begin, DataType dtype) {
  return codec == nullptr ? begin * SizeOf(dtype) : codec->EncodedBytes(begin, dtype);
}

StateSpan Part(StateSpan state, size_t begin) {
  const size_t offset = state.storage->EncodedBytes(begin, DataType::kFloat32);
  if (state.before != nullptr) state.before += offset;
  if (state.after != nullptr) state.after += offset;
  return state;
}

std::span<const std::byte> Part(std::span<const std::byte> bytes, const Codec* codec, size_t begin,
                                size_t count, DataType dtype) {
  if (bytes.empty()) return bytes;
  return bytes.subspan(Offset(codec, begin, dtype), Offset(codec, count, dtype));
}

// The whole must fit before a part of it is cut out.
bool Fits(std::span<const std::byte> bytes, const Codec* codec, size_t count, DataType dtype) {
  return HasFixedSize(codec) && (bytes.empty() || bytes.size() == Offset(codec, count, dtype));
}

}  // namespace

bool Divisible(const EncodePass& pass) { return HasFixedSize(pass.codec); }

bool Divisible(const DecodePass& pass) {
  return Fits(pass.bytes, pass.codec, pass.count, pass.dtype);
}

bool Divisible(const ReducePass& pass) {
  for (const Term& term : pass.terms) {
    if (!Fits(term.bytes, term.codec, pass.count, pass.dtype)) return false;
  }
  return HasFixedSize(pass.encoder);
}

Status RunPart(const EncodePass& pass, size_t begin, size_t count,
               Status (*run)(const EncodePass&)) {
  EncodePass part = pass;
  part.source = static_cast<const std::byte*>(pass.source) + begin * SizeOf(pass.dtype);
  part.count = count;
  part.target += Offset(pass.codec, begin, pass.dtype);
  part.noise.first += begin;
  if (pass.steps != nullptr) part.steps += begin / kStepElements;
  part.state = Part(pass.state, begin);
  return run(part);
}

Status RunPart(const DecodePass& pass, size_t begin, size_t count,
               Status (*run)(const DecodePass&)) {
  DecodePass part = pass;
  part.bytes = Part(pass.bytes, pass.codec, begin, count, pass.dtype);
  part.count = count;
  part.target = static_cast<std::byte*>(pass.target) + begin * SizeOf(pass.dtype);
  part.state = Part(pass.state, begin);
  return run(part);
}

Status RunPart(const ReducePass& pass, size_t begin, size_t count,
               Status (*run)(const ReducePass&)) {
  std::vector<Term> terms(pass.terms.begin(), pass.terms.end());
  for (Term& term : terms) {
    term.bytes = Part(term.bytes, term.codec, begin, count, pass.dtype);
    term.state = Part(term.state, begin);
  }
  ReducePass part = pass;
  part.terms = terms;
  part.count = count;
  if (pass.dense != nullptr) {
    part.dense = static_cast<std::byte*>(pass.dense) + begin * SizeOf(pass.dtype);
  }
  if (pass.encoded != nullptr) part.encoded += Offset(pass.encoder, begin, pass.dtype);
  part.noise.first += begin;
  if (pass.steps != nullptr) part.steps += begin / kStepElements;
  part.state = Part(pass.state, begin);
  return run(part);
}

}  // namespace thinwire
