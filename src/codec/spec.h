// SPDX-License-Identifier: Apache-2.0
//
// The grammar in which codecs are named, e.g. `q8`, `tk(1%,q4)+ef(bf16)`, `delta(rq2)`:
//
//   spec     := codec modifier*
//   codec    := name [ '(' argument { ',' argument } ')' ]
//   argument := spec | number | percent
//   modifier := '+' name [ '(' argument { ',' argument } ')' ]
//   name     := letter { letter | digit | '_' }, lower case
//   number   := digit { digit } [ '.' digit { digit } ]       percent := number '%'
//
// Blanks between the parts are ignored. This file knows no codec; registry.cc gives names meaning.

#ifndef THINWIRE_CODEC_SPEC_H_
#define THINWIRE_CODEC_SPEC_H_

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "base/status.h"

namespace thinwire {

struct CodecSpec {
  struct Number {
    double value = 0;
    bool percent = false;
  };
  struct Argument;
  struct Modifier {
    std::string name;
    std::vector<Argument> arguments;
    size_t position = 0;
  };

  std::string name;
  std::vector<Argument> arguments;
  std::vector<Modifier> modifiers;
  // Where it begins in the text, counted from 1.
  size_t position = 0;
};
struct CodecSpec::Argument {
  std::variant<Number, CodecSpec> value;
  size_t position = 0;
};

Result<CodecSpec> ParseCodecSpec(const std::string& text);

// The canonical spelling: no blanks, shortest numbers. Parsing it gives the same tree.
std::string FormatCodecSpec(const CodecSpec& spec);

}  // namespace thinwire

#endif  // THINWIRE_CODEC_SPEC_H_
