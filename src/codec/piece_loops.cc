// SPDX-License-Identifier: Apache-2.0
#include "codec/piece_loops.h"

#include <algorithm>

#include "codec/pieces.h"

namespace thinwire {

size_t PieceCodec::Bytes(size_t count) const {
  return loops_ == nullptr ? count * SizeOf(dtype_) : loops_->PieceBytes(count);
}

void PieceCodec::Encode(const float* source, size_t count, const FloatCodec::PieceOptions& options,
                        std::byte* target) const {
  if (loops_ == nullptr) return StoreFloats(source, dtype_, count, target);
  loops_->EncodePiece(source, count, options, target);
}

Result<const float*> PieceCodec::Decode(const std::byte* source, size_t count,
                                        float* target) const {
  if (loops_ == nullptr) return LoadFloats(source, dtype_, count, target);
  TW_TRY(loops_->DecodePiece(source, count, false, target));
  return target;
}

Status PieceCodec::Residual(const std::byte* source, size_t count, float* t) const {
  if (loops_ != nullptr) return loops_->ResidualPiece(source, count, t);
  std::fill_n(t, count, 0.0f);  // raw drops nothing
  return {};
}

PieceEncoder::PieceEncoder(const Codec& codec, DataType dtype, size_t count, const Noise& noise,
                           const StateSpan& state, const uint16_t* steps, std::byte* target)
    : codec_(codec, dtype),
      storage_(*state.storage, DataType::kFloat32),
      state_(state),
      target_(target),
      noise_(noise),
      steps_(steps),
      stream_state_(state.storage->exact() && count * sizeof(float) >= kStreamBytes) {
  // With state, what was encoded is read back at once.
  options_.stream = state.kind == Feedback::kNone && codec_.Offset(count) >= kStreamBytes;
  options_.hint = &hint_;
}

PieceEncoder::~PieceEncoder() {
  if (options_.stream || stream_state_) StreamFence();
}

Status PieceEncoder::Encode(const float* x, size_t from, size_t size) {
  std::byte* const target = target_ + codec_.Offset(from);
  options_.noise = {noise_.key, noise_.first + from};
  if (steps_ != nullptr) options_.steps = steps_ + from / kStepElements;
  if (state_.kind == Feedback::kNone) {
    codec_.Encode(x, size, options_, target);
    return {};
  }
  Scratch<float> before, made;
  const float* kept = nullptr;  // zeros
  if (state_.before != nullptr) {
    TW_ASSIGN(kept, storage_.Decode(state_.before + storage_.Offset(from), size, before.data));
  }
  // In place, the next state is made where the last one was, which is in the first cache.
  std::byte* const after = state_.after + storage_.Offset(from);
  const bool direct = kept != nullptr && static_cast<const void*>(kept) == after;
  float* const next = direct ? reinterpret_cast<float*>(after) : made.data;
  TW_TRY(state_.kind == Feedback::kResidual ? EncodeWithResidual(x, kept, size, target, next)
                                            : EncodeDifference(x, kept, size, target, next));
  if (direct) return {};
  if (stream_state_ && reinterpret_cast<uintptr_t>(after) % 16 == 0) {
    Simd().stream_out(next, size * sizeof(float), after);
  } else {
    storage_.Encode(next, size, {}, after);
  }
  return {};
}

Status PieceEncoder::EncodeWithResidual(const float* x, const float* kept, size_t size,
                                        std::byte* target, float* t) {
  if (kept == nullptr) {
    std::copy_n(x, size, t);
  } else {
    Simd().with_residual(x, kept, size, t);
  }
  codec_.Encode(t, size, options_, target);
  return codec_.Residual(target, size, t);
}

Status PieceEncoder::EncodeDifference(const float* x, const float* kept, size_t size,
                                      std::byte* target, float* next) {
  Scratch<float> difference, decoded;
  if (kept != nullptr) {
    Simd().from_reference(x, kept, size, difference.data);
    x = difference.data;
  }
  codec_.Encode(x, size, options_, target);
  TW_ASSIGN(const float* sent, codec_.Decode(target, size, decoded.data));
  if (kept == nullptr) {
    std::copy_n(sent, size, next);
  } else {
    Simd().advance_reference(kept, sent, size, next);
  }
  return {};
}

PieceDecoder::PieceDecoder(const Codec& codec, DataType dtype, const StateSpan& state,
                           const std::byte* bytes)
    : codec_(codec, dtype),
      storage_(*state.storage, DataType::kFloat32),
      state_(state),
      bytes_(bytes) {}

Result<const float*> PieceDecoder::Decode(size_t from, size_t size, float* target) {
  if (state_.after == nullptr && state_.kind == Feedback::kReference) {
    return storage_.Decode(state_.before + storage_.Offset(from), size, target);
  }
  TW_ASSIGN(const float* sent, codec_.Decode(BytesAt(from), size, target));
  if (state_.kind == Feedback::kNone) return sent;
  // What is kept is what the elements are from now on: in the precision it is kept in.
  std::byte* const after = state_.after + storage_.Offset(from);
  if (state_.before != nullptr) {
    Scratch<float> before;
    TW_ASSIGN(const float* kept,
              storage_.Decode(state_.before + storage_.Offset(from), size, before.data));
    Simd().advance_reference(kept, sent, size, target);
    sent = target;
  }
  storage_.Encode(sent, size, {}, after);
  return storage_.Decode(after, size, target);
}

}  // namespace thinwire
