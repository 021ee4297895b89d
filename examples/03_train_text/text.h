// SPDX-License-Identifier: Apache-2.0
//
// The text to learn: its characters as small numbers, split into a part to train on and a part held
// out, and batches of examples drawn from either.

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_TEXT_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace train_text {

// `size` examples: the `context` characters before a place in the text, and the one that stands
// there. contexts holds size x context numbers.
struct Batch {
  size_t size = 0;
  size_t context = 0;
  std::vector<uint8_t> contexts;
  std::vector<uint8_t> targets;
};

class Text {
 public:
  enum class Part { kTraining, kHeldOut };

  // Reads `path`, or what the command `bible` prints where it is empty. Throws std::runtime_error.
  static Text Load(const std::string& path);

  // Different characters in the text; all numbers are below.
  size_t vocabulary() const { return vocabulary_; }
  const std::vector<uint8_t>& characters() const { return characters_; }

  Batch Draw(Part part, size_t size, size_t context, std::mt19937_64* random) const;

 private:
  explicit Text(const std::string& bytes);

  std::vector<uint8_t> characters_;
  size_t vocabulary_ = 0;
  size_t held_out_from_ = 0;
};

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_TEXT_H_
