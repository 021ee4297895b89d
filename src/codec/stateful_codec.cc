// SPDX-License-Identifier: Apache-2.0
#include "codec/stateful_codec.h"

#include <map>
#include <mutex>

#include "codec/float_codec.h"
#include "codec/simd.h"

namespace thinwire {
namespace {

class StatefulCodec final : public Codec {
 public:
  StatefulCodec(std::string spec, Feedback feedback, const Codec& base, const Codec& storage,
                const Codec& first)
      : spec_(std::move(spec)),
        feedback_(feedback),
        base_(base),
        storage_(storage),
        first_(first) {}

  CodecId id() const override { return base_.id(); }
  const std::string& spec() const override { return spec_; }
  bool exact() const override { return base_.exact(); }
  bool Supports(DataType dtype) const override { return base_.Supports(dtype); }
  // State is kept in whole pieces.
  size_t granule() const override { return kPiece; }
  size_t EncodedBytes(size_t count, DataType dtype) const override {
    return base_.EncodedBytes(count, dtype);
  }
  bool contractive() const override { return base_.contractive(); }
  bool spreads_specials() const override { return base_.spreads_specials(); }
  bool keeps_infinity() const override { return base_.keeps_infinity(); }
  Feedback feedback() const override { return feedback_; }
  const Codec& storage() const override { return storage_; }
  const Codec& first_visit() const override { return first_; }
  const Codec& ForSums(int ranks) const override;
  CodecShape shape() const override { return base_.shape(); }
  const FloatCodec* AsFloatCodec() const override { return base_.AsFloatCodec(); }
  ErrorBound bound() const override { return base_.bound(); }
  size_t kept(size_t count) const override { return base_.kept(count); }
  size_t block() const override { return base_.block(); }
  void Encode(const void* source, DataType dtype, size_t count, std::byte* target,
              const Noise& noise) const override {
    base_.Encode(source, dtype, count, target, noise);
  }
  Status Decode(std::span<const std::byte> source, DataType dtype, size_t count,
                void* target) const override {
    return base_.Decode(source, dtype, count, target);
  }
  Status DecodeAdd(std::span<const std::byte> source, DataType dtype, size_t count,
                   float* accumulator) const override {
    return base_.DecodeAdd(source, dtype, count, accumulator);
  }

 private:
  const std::string spec_;
  const Feedback feedback_;
  const Codec& base_;
  const Codec& storage_;
  const Codec& first_;
  mutable std::mutex mutex_;
  mutable std::map<const Codec*, std::unique_ptr<const Codec>> for_sums_;
};

std::unique_ptr<const Codec> Make(Feedback feedback, const Codec& base, const Codec& storage,
                                  const Codec& first) {
  std::string spec;
  if (feedback == Feedback::kResidual) {
    spec = fmt::format("{}+ef{}", base.spec(),
                       storage.exact() ? "" : fmt::format("({})", storage.spec()));
  } else if (first.exact()) {
    spec = storage.id() == CodecId::kBf16
               ? fmt::format("delta({})", base.spec())
               : fmt::format("delta({},{})", base.spec(), storage.spec());
  } else {
    spec = fmt::format("delta({},{},{})", base.spec(), storage.spec(), first.spec());
  }
  return std::make_unique<StatefulCodec>(std::move(spec), feedback, base, storage, first);
}

// Sums keep state like what they are sums of, whatever carries them; exact ones have none to keep.
const Codec& StatefulCodec::ForSums(int ranks) const {
  const Codec& sums = base_.ForSums(ranks);
  if (&sums == &base_) return *this;
  if (sums.exact() || !sums.contractive()) return sums;
  const std::lock_guard lock(mutex_);
  auto& made = for_sums_[&sums];
  if (made == nullptr) made = Make(feedback_, sums, storage_, first_);
  return *made;
}

Status CheckStorage(const Codec& storage) {
  const bool whole = storage.id() == CodecId::kRaw ||
                     (storage.AsFloatCodec() != nullptr && storage.kept(kPiece) == kPiece);
  if (whole && storage.fixed_size() && storage.feedback() == Feedback::kNone) return {};
  return InvalidArgument("state can't be kept as '{}'; write raw (binary32), bf16 or q8",
                         storage.spec());
}

// Why `base` can't have the state that `what` keeps.
Status CheckBase(const Codec& base, const char* what) {
  if (base.exact()) {
    return InvalidArgument("{} of '{}' makes no sense: it drops nothing; use '{}' alone", what,
                           base.spec(), base.spec());
  }
  if (base.feedback() != Feedback::kNone) {
    return InvalidArgument("{} of '{}' makes no sense: one state is enough; drop one of the two",
                           what, base.spec());
  }
  if (!base.contractive()) {
    return InvalidArgument(
        "{} of '{}' would not settle: its error can exceed its input; take a codec that rounds to "
        "nearest, such as rq4, q8 or tk",
        what, base.spec());
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<const Codec>> MakeResidualCodec(const Codec& base, const Codec& storage) {
  TW_TRY(CheckBase(base, "error feedback"));
  TW_TRY(CheckStorage(storage));
  return Make(Feedback::kResidual, base, storage, RawCodec());
}

Result<std::unique_ptr<const Codec>> MakeReferenceCodec(const Codec& base, const Codec& storage,
                                                        const Codec& first) {
  TW_TRY(CheckBase(base, "a delta"));
  TW_TRY(CheckStorage(storage));
  if (first.feedback() != Feedback::kNone || !first.fixed_size()) {
    return InvalidArgument("a first visit can't be sent as '{}'; write raw or q8", first.spec());
  }
  return Make(Feedback::kReference, base, storage, first);
}

}  // namespace thinwire
