// SPDX-License-Identifier: Apache-2.0
#include "policy_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "base/types.h"
#include "base/units.h"
#include "comm/policy.h"

namespace thinwire::info {
namespace {

// What a policy chooses, in words.
std::string Chosen(const Policy::Choice& choice) {
  std::string text = choice.target ? FormatTarget(*choice.target) : choice.codec->spec();
  if (choice.algorithm != Algorithm::kAuto) {
    text += fmt::format(" algo={}", NameOf(choice.algorithm));
  }
  // Of sums, the only reason there is; it would name each type, and part those treated alike.
  if (!choice.exact_because.empty()) text += " (the rule's codec can't code it)";
  return text;
}

// "raw; from 32 KiB: q8": what it chooses by size, at powers of two.
std::string BySize(const Policy& policy, Operation operation, DataType dtype) {
  std::string text;
  std::string last;
  for (size_t bytes = 1; bytes <= size_t{1} << 40; bytes *= 2) {
    std::string chosen = Chosen(policy.For(operation, dtype, Reduction::kSum, bytes));
    if (chosen == last) continue;
    text += text.empty() ? chosen : fmt::format("; from {}: {}", FormatBytes(bytes), chosen);
    last = std::move(chosen);
  }
  return text;
}

}  // namespace

Result<std::vector<std::string>> PolicyInEffect(const Env& env) {
  TW_ASSIGN(const Policy policy, Policy::Parse(env.policy));
  std::vector<std::string> lines;
  if (env.policy.empty()) {
    lines.emplace_back(
        "every call is exact; THINWIRE_POLICY=q8 would compress large sums of floats");
    return lines;
  }
  for (int i = 1; i < kOperations; ++i) {
    const auto operation = static_cast<Operation>(i);
    // By what is chosen, in the order first met.
    std::vector<std::pair<std::string, std::vector<std::string_view>>> types;
    for (int j = 0; j < kDataTypes; ++j) {
      const auto dtype = static_cast<DataType>(j);
      std::string chosen = BySize(policy, operation, dtype);
      auto like = types.begin();
      while (like != types.end() && like->first != chosen) ++like;
      if (like == types.end()) like = types.insert(like, {std::move(chosen), {}});
      like->second.push_back(NameOf(dtype));
    }
    for (const auto& [chosen, names] : types) {
      lines.push_back(fmt::format(
          "{:<15} {}: {}", NameOf(operation),
          types.size() == 1 ? "all types" : fmt::format("{}", fmt::join(names, " ")), chosen));
    }
  }
  return lines;
}

}  // namespace thinwire::info
