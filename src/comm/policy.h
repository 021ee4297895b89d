// SPDX-License-Identifier: Apache-2.0
//
// Policy: text that says which codec and algorithm which operations use (docs/policy.md).
//   policy   := rule { ';' rule }
//   rule     := [ { selector } ':' ] { choice }
//   selector := operation | type | '>=' size | '<' size | '*' | pattern
//   choice   := codec spec | auto | 'algo=' algorithm
//   auto     := 'auto(' [ 'error=' number ] [ ',' ] [ 'compute=' time ] ')', one of them at least
// A pattern is a word with '*', '?' or '.' in it, for names of tensors: `*.bias`.
// Rules are tried from left to right; the first whose selectors all hold decides. Immutable.

#ifndef THINWIRE_COMM_POLICY_H_
#define THINWIRE_COMM_POLICY_H_

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "codec/codec.h"
#include "collective/codec_choice.h"
#include "collective/plan.h"

namespace thinwire {

// Below this a lossy codec saves less time than it costs; a rule's own '>=' overrides it.
inline constexpr size_t kPolicyFloorBytes = size_t{32} << 10;

class Policy {
 public:
  // Errors name the rule and the word that makes no sense.
  static Result<Policy> Parse(const std::string& text);

  struct Choice {
    const Codec* codec = &RawCodec();
    Algorithm algorithm = Algorithm::kAuto;
    std::optional<CodecTarget> target;  // the codec is still to be chosen, by this
    // Why a codec that a rule named is not used although operation and size match; "" if it is.
    std::string exact_because;
  };
  // No rule names anything that changes results.
  bool exact() const;
  // `tensor`: its name; "" where the call has none.
  Choice For(Operation operation, DataType dtype, Reduction reduction, size_t bytes,
             const std::string& tensor = "") const;

 private:
  struct Rule {
    std::vector<Operation> operations;  // empty: those that reduce
    std::vector<DataType> dtypes;       // empty: all
    std::vector<std::string> tensors;   // patterns; empty: all
    bool every_operation = false;       // '*'
    std::optional<size_t> at_least;     // not said: the floor for lossy codecs, else 0
    size_t below = ~size_t{0};
    const Codec* codec = &RawCodec();
    bool names_codec = false;
    std::optional<CodecTarget> target;  // in place of the codec
    Algorithm algorithm = Algorithm::kAuto;

    bool Matches(Operation operation, DataType dtype, size_t bytes,
                 const std::string& tensor) const;
  };
  static Result<Rule> ParseRule(std::string_view text);
  static Status ParseSelector(std::string_view word, Rule* rule);
  static Status ParseChoice(std::string_view word, Rule* rule);

  std::vector<Rule> rules_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_POLICY_H_
