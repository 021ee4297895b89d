// SPDX-License-Identifier: Apache-2.0
#include "codec/spec.h"

#include <charconv>

namespace thinwire {
namespace {

constexpr int kMaxDepth = 8;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return c >= 'a' && c <= 'z'; }

// One method a rule of the grammar.
class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  Result<CodecSpec> All() {
    TW_ASSIGN(CodecSpec spec, Spec(0));
    if (Peek() != '\0' || at_ < text_.size()) return Expected("'+', '(' or the end");
    return spec;
  }

 private:
  Result<CodecSpec> Spec(int depth) {
    CodecSpec spec;
    Peek();
    spec.position = at_ + 1;
    if (depth > kMaxDepth) return Expected("an end: codecs nest too deeply");
    TW_ASSIGN(spec.name, Name("the name of a codec"));
    TW_ASSIGN(spec.arguments, Arguments(depth));
    while (Take('+')) {
      CodecSpec::Modifier modifier = {.name = {}, .arguments = {}, .position = at_};
      TW_ASSIGN(modifier.name, Name("the name of a modifier"));
      TW_ASSIGN(modifier.arguments, Arguments(depth));
      spec.modifiers.push_back(std::move(modifier));
    }
    return spec;
  }

  // None where no '(' follows.
  Result<std::vector<CodecSpec::Argument>> Arguments(int depth) {
    std::vector<CodecSpec::Argument> arguments;
    if (!Take('(')) return arguments;
    do {
      TW_ASSIGN(CodecSpec::Argument argument, Argument(depth));
      arguments.push_back(std::move(argument));
    } while (Take(','));
    if (!Take(')')) return Expected("',' or ')'");
    return arguments;
  }

  Result<CodecSpec::Argument> Argument(int depth) {
    CodecSpec::Argument argument;
    const bool number = IsDigit(Peek());
    argument.position = at_ + 1;
    if (number) {
      TW_ASSIGN(argument.value, Number());
    } else {
      TW_ASSIGN(argument.value, Spec(depth + 1));
    }
    return argument;
  }

  Result<CodecSpec::Number> Number() {
    CodecSpec::Number number;
    const char* const begin = text_.data() + at_;
    const auto [end, error] =
        std::from_chars(begin, text_.data() + text_.size(), number.value, std::chars_format::fixed);
    if (error != std::errc()) return Expected("a number of sensible size");
    at_ += static_cast<size_t>(end - begin);
    number.percent = Take('%');
    return number;
  }

  Result<std::string> Name(const char* what) {
    if (!IsLetter(Peek())) return Expected(what);
    const size_t begin = at_;
    while (at_ < text_.size() &&
           (IsLetter(text_[at_]) || IsDigit(text_[at_]) || text_[at_] == '_')) {
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

  // The next character that is no blank; '\0' at the end.
  char Peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Take(char c) {
    if (Peek() != c) return false;
    ++at_;
    return true;
  }
  Status Expected(const std::string& what) {
    return InvalidArgument("codec spec '{}': expected {} at position {}", text_, what, at_ + 1);
  }

  const std::string& text_;
  size_t at_ = 0;
};

std::string FormatArguments(const std::vector<CodecSpec::Argument>& arguments) {
  std::string text;
  for (const CodecSpec::Argument& argument : arguments) {
    text += text.empty() ? '(' : ',';
    if (const auto* number = std::get_if<CodecSpec::Number>(&argument.value)) {
      text += fmt::format("{}{}", number->value, number->percent ? "%" : "");
    } else {
      text += FormatCodecSpec(std::get<CodecSpec>(argument.value));
    }
  }
  return text.empty() ? text : text + ')';
}

}  // namespace

Result<CodecSpec> ParseCodecSpec(const std::string& text) { return Parser(text).All(); }

std::string FormatCodecSpec(const CodecSpec& spec) {
  std::string text = spec.name + FormatArguments(spec.arguments);
  for (const CodecSpec::Modifier& modifier : spec.modifiers) {
    text += '+' + modifier.name + FormatArguments(modifier.arguments);
  }
  return text;
}

}  // namespace thinwire
