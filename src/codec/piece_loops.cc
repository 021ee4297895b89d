// SPDX-License-Identifier: Apache-2.0
#include "codec/piece_loops.h"

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

Status PieceEncoder::Encode(const float* x, size_t from, size_t size, const void* ahead) {
  options_.ahead = ahead;
  std::byte* const target = target_ + codec_.Offset(from);
  options_.noise = {noise_.key, noise_.first + from};
  if (steps_ != nullptr) options_.steps = steps_ + from / kStepElements;
  if (state_.kind == Feedback::kNone) {
    codec_.Encode(x, size, options_, target);
    return {};
  }
  Scratch<float> before, t, y;
  const float* kept = nullptr;  // zeros
  if (state_.before != nullptr) {
    TW_ASSIGN(kept, storage_.Decode(state_.before + storage_.Offset(from), size, before.data));
  }
  const bool residual = state_.kind == Feedback::kResidual;
  if (kept != nullptr) {
    (residual ? Simd().with_residual : Simd().from_reference)(x, kept, size, t.data);
    x = t.data;
  }
  codec_.Encode(x, size, options_, target);
  // In place, the next state is made where the last one was, which is in the first cache. Only a
  // reference is still needed once t was made of it.
  std::byte* const after = state_.after + storage_.Offset(from);
  const bool direct = kept != nullptr && static_cast<const void*>(kept) == after;
  float* const next = direct ? reinterpret_cast<float*>(after) : y.data;
  TW_ASSIGN(const float* sent, codec_.Decode(target, size, residual ? next : y.data));
  if (residual) {
    Simd().residual(x, sent, size, next);
  } else if (kept != nullptr) {
    Simd().advance_reference(kept, sent, size, next);
  } else if (sent != y.data) {
    std::copy_n(sent, size, y.data);
  }
  if (direct) return {};
  if (stream_state_ && reinterpret_cast<uintptr_t>(after) % 16 == 0) {
    Simd().stream_out(y.data, size * sizeof(float), after);
  } else {
    storage_.Encode(y.data, size, {}, after);
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
