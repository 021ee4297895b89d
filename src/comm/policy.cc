// SPDX-License-Identifier: Apache-2.0
#include "comm/policy.h"

#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/units.h"

namespace thinwire {
namespace {

// Both ends of a pair must choose alike, so "send" and "recv" name the same thing.
Operation Canonical(Operation operation) {
  return operation == Operation::kRecv ? Operation::kSend : operation;
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  constexpr std::string_view kBlanks = " \t\n";
  for (size_t at = text.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kBlanks, end);
  }
  return words;
}

Result<double> ParseError(std::string_view text) {
  double error = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), error);
  const bool whole = failure == std::errc() && end == text.data() + text.size();
  if (whole && error > 0 && error < 1) return error;
  return InvalidArgument("'{}' is no relative error: write a number between 0 and 1", text);
}

// What stands behind `auto`.
Result<CodecTarget> ParseTarget(std::string_view text) {
  CodecTarget target;
  const bool closed = text.size() > 2 && text.front() == '(' && text.back() == ')';
  std::string_view rest = closed ? text.substr(1, text.size() - 2) : std::string_view();
  while (!rest.empty()) {
    const std::string_view field = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(field.size() + 1, rest.size()));
    constexpr std::string_view kError = "error=";
    constexpr std::string_view kCompute = "compute=";
    if (field.starts_with(kError) && !target.error) {
      TW_ASSIGN(target.error, ParseError(field.substr(kError.size())));
    } else if (field.starts_with(kCompute) && !target.compute_seconds) {
      TW_ASSIGN(target.compute_seconds, ParseSeconds(field.substr(kCompute.size())));
    } else {
      return InvalidArgument("'auto{}': '{}' is no part of it, or stands there twice", text, field);
    }
  }
  if (target.error || target.compute_seconds) return target;
  return InvalidArgument(
      "'auto{}' doesn't say what to go by: write auto(error=0.01), the relative error that may be "
      "made, or auto(compute=30ms), the computing that a call may hide behind",
      text);
}

template <typename T>
bool Contains(const std::vector<T>& values, T value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

Result<Policy> Policy::Parse(const std::string& text) {
  Policy policy;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view rule_text = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rule_text.size() + 1, rest.size()));
    if (Words(rule_text).empty()) continue;
    Result<Rule> rule = ParseRule(rule_text);
    if (!rule.ok()) return rule.status().WithContext(fmt::format("policy '{}'", text));
    policy.rules_.push_back(std::move(rule).value());
  }
  return policy;
}

Result<Policy::Rule> Policy::ParseRule(std::string_view text) {
  Rule rule;
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    for (const std::string_view word : Words(text.substr(0, colon))) {
      TW_TRY(ParseSelector(word, &rule));
    }
    text.remove_prefix(colon + 1);
  }
  const auto choices = Words(text);
  if (choices.empty()) return InvalidArgument("a rule names no codec and no algo=");
  for (const std::string_view word : choices) TW_TRY(ParseChoice(word, &rule));
  return rule;
}

Status Policy::ParseSelector(std::string_view word, Rule* rule) {
  if (word == "*") {
    rule->every_operation = true;
  } else if (const auto operation = OperationFromName(word)) {
    rule->operations.push_back(Canonical(*operation));
  } else if (const auto dtype = DataTypeFromName(word)) {
    rule->dtypes.push_back(*dtype);
  } else if (word.starts_with(">=")) {
    TW_ASSIGN(rule->at_least, ParseBytes(word.substr(2)));
  } else if (word.starts_with("<")) {
    TW_ASSIGN(rule->below, ParseBytes(word.substr(1)));
  } else if (word.find_first_of("*?.") != std::string_view::npos) {
    rule->tensors.emplace_back(word);
  } else {
    return InvalidArgument(
        "'{}' selects nothing: write an operation (all_reduce ...), a type (float ...), >=SIZE, "
        "<SIZE, * or a pattern for names of tensors (*.bias)",
        word);
  }
  return {};
}

Status Policy::ParseChoice(std::string_view word, Rule* rule) {
  constexpr std::string_view kAlgo = "algo=";
  constexpr std::string_view kAuto = "auto";
  if (!word.starts_with(kAlgo)) {
    if (std::exchange(rule->names_codec, true)) {
      return InvalidArgument("'{}' is a second codec in one rule; separate rules with ';'", word);
    }
    if (word == kAuto || word.starts_with("auto(")) {
      TW_ASSIGN(rule->target, ParseTarget(word.substr(kAuto.size())));
    } else {
      TW_ASSIGN(rule->codec, FindCodec(std::string(word)));
    }
    return {};
  }
  if (rule->algorithm != Algorithm::kAuto) {
    return InvalidArgument("'{}' is a second algorithm in one rule; separate rules with ';'", word);
  }
  const auto algorithm = AlgorithmFromName(word.substr(kAlgo.size()));
  if (!algorithm) {
    return InvalidArgument("unknown algorithm '{}': write one of {}", word.substr(kAlgo.size()),
                           fmt::join(AlgorithmNames(), " "));
  }
  rule->algorithm = *algorithm;
  return {};
}

bool Policy::Rule::Matches(Operation operation, DataType dtype, size_t bytes,
                           const std::string& tensor) const {
  const bool operation_named =
      every_operation ||
      (operations.empty() ? Reduces(operation) : Contains(operations, Canonical(operation)));
  const bool exact = codec->exact() && !target;
  const size_t floor = at_least.value_or(exact ? 0 : kPolicyFloorBytes);
  const bool tensor_named =
      tensors.empty() || std::ranges::any_of(tensors, [&](const std::string& pattern) {
        return fnmatch(pattern.c_str(), tensor.c_str(), 0) == 0;
      });
  return operation_named && tensor_named && (dtypes.empty() || Contains(dtypes, dtype)) &&
         bytes >= floor && bytes < below;
}

bool Policy::exact() const {
  return std::ranges::all_of(rules_,
                             [](const Rule& rule) { return rule.codec->exact() && !rule.target; });
}

Policy::Choice Policy::For(Operation operation, DataType dtype, Reduction reduction, size_t bytes,
                           const std::string& tensor) const {
  for (const Rule& rule : rules_) {
    if (!rule.Matches(operation, dtype, bytes, tensor)) continue;
    Choice choice;
    choice.codec = rule.codec;
    choice.algorithm = rule.algorithm;
    const bool sums = reduction == Reduction::kSum || reduction == Reduction::kAvg;
    // What only an exact codec can do needs no choice, and loses nothing that was asked for.
    if (IsFloating(dtype) && (sums || !Reduces(operation))) choice.target = rule.target;
    if (rule.codec->exact()) return choice;
    if (!rule.codec->Supports(dtype)) {
      choice.exact_because = fmt::format("{} can't code {}", rule.codec->spec(), NameOf(dtype));
    } else if (Reduces(operation) && !sums) {
      choice.exact_because =
          fmt::format("{} is for sums and averages, not {}", rule.codec->spec(), NameOf(reduction));
    }
    if (!choice.exact_because.empty()) choice.codec = &RawCodec();
    return choice;
  }
  return {};
}

}  // namespace thinwire
