// SPDX-License-Identifier: Apache-2.0
#include "comm/survival_policy.h"

#include <charconv>
#include <map>
#include <string_view>

#include "base/units.h"

namespace thinwire {
namespace {

using Words = std::map<std::string, std::string, std::less<>>;

// "(name=value,name=value)"
Result<Words> ParseWords(std::string_view text) {
  Words words;
  if (text.empty()) return words;
  if (text.front() != '(' || text.back() != ')') {
    return InvalidArgument("'{}' must stand in parentheses", text);
  }
  text = text.substr(1, text.size() - 2);
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, end);
    const size_t equals = word.find('=');
    if (equals == word.npos) return InvalidArgument("'{}' must read name=value", word);
    words.emplace(word.substr(0, equals), word.substr(equals + 1));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

Result<int> TakeRanks(Words* words, std::string_view name, int ranks) {
  const auto node = words->extract(words->find(name));
  const std::string& text = node.mapped();
  int number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size() && number >= 1 &&
      number <= ranks) {
    return number;
  }
  return InvalidArgument("{}={} must be from 1 to {} ranks", name, text, ranks);
}

Result<SurvivalPolicy> ParsePolicy(std::string_view text, int ranks) {
  using Kind = SurvivalPolicy::Kind;
  constexpr std::string_view kNames[] = {"abort", "exclude", "vote", "deadline"};
  const std::string_view name = text.substr(0, text.find('('));
  const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) {
    return InvalidArgument("'{}' is none of abort, exclude, vote, deadline", name);
  }
  SurvivalPolicy policy;
  policy.kind = static_cast<Kind>(found - std::begin(kNames));
  TW_ASSIGN(Words words, ParseWords(text.substr(name.size())));
  const bool goes_on = policy.kind == Kind::kExclude || policy.kind == Kind::kVote;
  if (goes_on && words.contains("least")) {
    TW_ASSIGN(policy.least, TakeRanks(&words, "least", ranks));
  }
  if (policy.kind == Kind::kDeadline) {
    if (!words.contains("ranks") || !words.contains("after")) {
      return InvalidArgument("it must say deadline(ranks=NUMBER,after=TIME)");
    }
    TW_ASSIGN(policy.on_time, TakeRanks(&words, "ranks", ranks));
    TW_ASSIGN(policy.after_seconds, ParseSeconds(words.extract("after").mapped()));
  }
  if (!words.empty()) return InvalidArgument("{} takes no {}", name, words.begin()->first);
  return policy;
}

}  // namespace

Result<SurvivalPolicy> SurvivalPolicy::Parse(const std::string& text, int ranks) {
  if (text.empty()) return SurvivalPolicy{};
  Result<SurvivalPolicy> policy = ParsePolicy(text, ranks);
  if (policy.ok()) return policy;
  return policy.status().WithContext(fmt::format("survival policy '{}'", text));
}

bool SurvivalPolicy::MayGoOn(const std::vector<int>& left, int ranks) const {
  const int alive = static_cast<int>(left.size());
  if (least > 0) return alive >= least;
  return 2 * alive > ranks || (2 * alive == ranks && left.front() == 0);
}

}  // namespace thinwire
