// SPDX-License-Identifier: Apache-2.0
//
// Which codecs there are: the one place that gives names and numbers meaning.

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "codec/builtin_codecs.h"
#include "codec/codec.h"
#include "codec/spec.h"

namespace thinwire {
namespace {

struct Entry {
  std::string_view name;
  const Codec& (*codec)();
};
constexpr std::array kRegistry = {
    Entry{"raw", RawCodec},
    Entry{"bf16", Bf16Codec},
    Entry{"q8", Q8Codec},
};

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

Status UnknownCodec(const std::string& text, const CodecSpec& spec) {
  const auto distance = [&](std::string_view name) { return EditDistance(name, spec.name); };
  const auto names = CodecNames();
  const auto nearest = std::ranges::min_element(names, {}, distance);
  const bool close = distance(*nearest) < std::max(nearest->size(), spec.name.size());
  return InvalidArgument("codec spec '{}': no codec '{}' (position {}); known are {}{}", text,
                         spec.name, spec.position, fmt::join(names, ", "),
                         close ? fmt::format("; did you mean '{}'?", *nearest) : "");
}

Result<const Codec*> Resolve(const std::string& text, const CodecSpec& spec) {
  const auto entry = std::ranges::find(kRegistry, spec.name, &Entry::name);
  if (entry == kRegistry.end()) return UnknownCodec(text, spec);
  if (!spec.arguments.empty()) {
    return InvalidArgument("codec spec '{}': codec '{}' takes no argument (position {})", text,
                           spec.name, spec.arguments.front().position);
  }
  if (!spec.modifiers.empty()) {
    const CodecSpec::Modifier& modifier = spec.modifiers.front();
    return InvalidArgument("codec spec '{}': codec '{}' has no modifier '+{}' (position {})", text,
                           spec.name, modifier.name, modifier.position);
  }
  return &entry->codec();
}

}  // namespace

Result<const Codec*> FindCodec(const std::string& spec) {
  TW_ASSIGN(const CodecSpec tree, ParseCodecSpec(spec));
  return Resolve(spec, tree);
}

const Codec* FindCodec(CodecId id) {
  for (const Entry& entry : kRegistry) {
    if (entry.codec().id() == id) return &entry.codec();
  }
  return nullptr;
}

std::span<const std::string_view> CodecNames() {
  static constexpr auto names = [] {
    std::array<std::string_view, kRegistry.size()> all;
    std::ranges::transform(kRegistry, all.begin(), &Entry::name);
    return all;
  }();
  return names;
}

}  // namespace thinwire
