// SPDX-License-Identifier: Apache-2.0
//
// Which codecs there are: the one place that gives names, numbers and modifiers meaning.

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <numeric>
#include <vector>

#include "codec/builtin_codecs.h"
#include "codec/codec.h"
#include "codec/spec.h"
#include "codec/stateful_codec.h"

namespace thinwire {
namespace {

struct Family {
  std::string_view name;
  CodecId id;
  Result<std::unique_ptr<const Codec>> (*make)(const CodecOptions&);  // null: raw
  size_t arguments = 0;                                               // at most
  bool stochastic = false;                                            // has +sr
  bool unbiased = false;                                              // has +unbiased
};
constexpr auto kFamilies = std::to_array<Family>({
    {"raw", CodecId::kRaw, nullptr},
    {"bf16", CodecId::kBf16, MakeBf16},
    {"fp16", CodecId::kFp16, MakeFp16},
    {"q8", CodecId::kQ8, MakeQ8, 0, true},
    {"q4", CodecId::kQ4, MakeQ4, 0, true},
    {"rq4", CodecId::kRq4, MakeRq, 0, false, true},
    {"rq3", CodecId::kRq3, MakeRq, 0, false, true},
    {"rq2", CodecId::kRq2, MakeRq, 0, false, true},
    {"rq1", CodecId::kRq1, MakeRq, 0, false, true},
    {"tk", CodecId::kTk, MakeTk, 3},
    {"iq8", CodecId::kIq8, MakeIq},
    {"iq4", CodecId::kIq4, MakeIq},
    {"fp8", CodecId::kFp8, MakeFp8, 1},
    {"mxfp8", CodecId::kMxfp8, MakeMxfp8, 1},
    {"mxfp6", CodecId::kMxfp6, MakeMxfp6, 1},
    {"mxfp4", CodecId::kMxfp4, MakeMxfp4},
    {"nvfp4", CodecId::kNvfp4, MakeNvfp4},
    {"x3", CodecId::kX3, MakeX3},
});
constexpr auto kSpecs = std::to_array<std::string_view>({
    "raw",          "bf16",      "fp16",       "q8",           "q8+sr",       "q4",
    "q4+sr",        "rq4",       "rq3",        "rq2",          "rq1",         "rq4+unbiased",
    "rq1+unbiased", "tk(1%,q4)", "tk(10%,q8)", "tk(100,bf16)", "tk(1%,raw)",  "iq8",
    "iq4",          "fp8",       "fp8(e5m2)",  "mxfp8",        "mxfp8(e5m2)", "mxfp6",
    "mxfp6(e3m2)",  "mxfp4",     "nvfp4",      "x3",
});
constexpr std::string_view kDelta = "delta";

// Insertions, deletions and replacements between two names.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

Status UnknownCodec(const CodecSpec& spec) {
  const auto distance = [&](std::string_view name) { return EditDistance(name, spec.name); };
  const auto names = CodecNames();
  const auto nearest = std::ranges::min_element(names, {}, distance);
  const bool close = distance(*nearest) < std::max(nearest->size(), spec.name.size());
  return InvalidArgument("no codec '{}' (position {}); known are {}{}", spec.name, spec.position,
                         fmt::join(names, ", "),
                         close ? fmt::format("; did you mean '{}'?", *nearest) : "");
}

// Turns specs into codecs, which live as long as the process: the same spec gives the same object.
class Registry {
 public:
  Result<const Codec*> Find(const std::string& text) {
    TW_ASSIGN(const CodecSpec spec, ParseCodecSpec(text));
    const std::lock_guard lock(mutex_);
    const auto codec = Resolve(spec);
    if (codec.ok()) return codec;
    return codec.status().WithContext(fmt::format("codec spec '{}'", text));
  }

 private:
  using Made = Result<std::unique_ptr<const Codec>>;

  Result<const Codec*> Resolve(const CodecSpec& spec) {
    TW_ASSIGN(const Codec* codec, spec.name == kDelta ? Delta(spec) : Plain(spec));
    for (const CodecSpec::Modifier& modifier : spec.modifiers) {
      if (modifier.name != "ef") continue;
      TW_ASSIGN(codec, WithResidual(*codec, spec, modifier));
    }
    return codec;
  }

  // A family's codec with its arguments and rounding.
  Result<const Codec*> Plain(const CodecSpec& spec) {
    const auto family = std::ranges::find(kFamilies, spec.name, &Family::name);
    if (family == kFamilies.end()) return UnknownCodec(spec);
    if (spec.arguments.size() > family->arguments) {
      return InvalidArgument("codec '{}' takes {} (position {})", spec.name,
                             family->arguments == 0
                                 ? std::string("no argument")
                                 : fmt::format("at most {} arguments", family->arguments),
                             spec.arguments[family->arguments].position);
    }
    CodecOptions options = {.name = spec.name, .arguments = spec.arguments};
    options.find = [this](const CodecSpec& argument) { return Resolve(argument); };
    for (const CodecSpec::Modifier& modifier : spec.modifiers) {
      TW_TRY(SetRounding(*family, modifier, &options.rounding));
    }
    if (family->make == nullptr) return &RawCodec();
    return Keep(family->make(options));
  }

  static Status SetRounding(const Family& family, const CodecSpec::Modifier& modifier,
                            Rounding* rounding) {
    if (modifier.name == "ef") return {};
    const bool stochastic = modifier.name == "sr" && family.stochastic;
    const bool unbiased = modifier.name == "unbiased" && family.unbiased;
    if (!stochastic && !unbiased) {
      return InvalidArgument("codec '{}' has no modifier '+{}' (position {})", family.name,
                             modifier.name, modifier.position);
    }
    if (!modifier.arguments.empty() || *rounding != Rounding::kNearest) {
      return InvalidArgument("'+{}' stands once and takes no argument (position {})", modifier.name,
                             modifier.position);
    }
    *rounding = stochastic ? Rounding::kStochastic : Rounding::kUnbiased;
    return {};
  }

  Result<const Codec*> WithResidual(const Codec& base, const CodecSpec& spec,
                                    const CodecSpec::Modifier& modifier) {
    for (const CodecSpec::Modifier& other : spec.modifiers) {
      if (other.name == "ef") continue;
      return InvalidArgument(
          "'+{}' and '+ef' exclude each other: feedback corrects the error that rounding to "
          "nearest "
          "leaves, and random errors would not settle; drop '+{}'",
          other.name, other.name);
    }
    if (modifier.arguments.size() > 1) {
      return InvalidArgument(
          "'+ef' takes at most how the residual is kept: raw or bf16 (position {})",
          modifier.arguments[1].position);
    }
    TW_ASSIGN(const Codec* storage, ArgumentAsCodec(modifier.arguments, 0, RawCodec()));
    return Keep(MakeResidualCodec(base, *storage));
  }

  // delta(codec [, how the reference is kept [, what carries the first visit]])
  Result<const Codec*> Delta(const CodecSpec& spec) {
    if (spec.arguments.empty() || spec.arguments.size() > 3) {
      return InvalidArgument(
          "delta takes the codec of the differences, then how the reference is kept and what "
          "carries "
          "a first visit, such as delta(rq2) or delta(rq2,bf16,q8) (position {})",
          spec.position);
    }
    for (const CodecSpec::Modifier& modifier : spec.modifiers) {
      return InvalidArgument(
          "delta has no modifier '+{}' (position {}): the next difference holds what this one "
          "dropped",
          modifier.name, modifier.position);
    }
    TW_ASSIGN(const Codec* base, ArgumentAsCodec(spec.arguments, 0, RawCodec()));
    TW_ASSIGN(const Codec* bf16, Resolve({.name = "bf16", .arguments = {}, .modifiers = {}}));
    TW_ASSIGN(const Codec* storage, ArgumentAsCodec(spec.arguments, 1, *bf16));
    TW_ASSIGN(const Codec* first, ArgumentAsCodec(spec.arguments, 2, RawCodec()));
    return Keep(MakeReferenceCodec(*base, *storage, *first));
  }

  Result<const Codec*> ArgumentAsCodec(std::span<const CodecSpec::Argument> arguments, size_t index,
                                       const Codec& absent) {
    if (index >= arguments.size()) return &absent;
    const auto* spec = std::get_if<CodecSpec>(&arguments[index].value);
    if (spec != nullptr) return Resolve(*spec);
    return InvalidArgument("a codec is expected at position {}, not a number",
                           arguments[index].position);
  }

  Result<const Codec*> Keep(Made made) {
    if (!made.ok()) return made.status();
    std::unique_ptr<const Codec> codec = std::move(made).value();
    return codecs_.try_emplace(codec->spec(), std::move(codec)).first->second.get();
  }

  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<const Codec>> codecs_;
};

}  // namespace

Result<const Codec*> FindCodec(const std::string& spec) {
  static auto* const registry = new Registry;  // never freed: exit handlers may still encode
  return registry->Find(spec);
}

std::string_view NameOf(CodecId id) {
  const auto family = std::ranges::find(kFamilies, id, &Family::id);
  return family == kFamilies.end() ? "" : family->name;
}

std::span<const std::string_view> CodecNames() {
  static constexpr auto names = [] {
    std::array<std::string_view, kFamilies.size()> all;
    std::ranges::transform(kFamilies, all.begin(), &Family::name);
    return all;
  }();
  return names;
}

std::span<const std::string_view> CodecSpecs() { return kSpecs; }

}  // namespace thinwire
