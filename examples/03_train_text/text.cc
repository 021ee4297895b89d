// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <stdexcept>

namespace train_text {
namespace {

constexpr size_t kLeastBytes = 10000;
constexpr const char* kBibleCommand = "bible -f Gen1:1-Rev22:21";

std::string ReadAll(std::FILE* file) {
  std::string bytes;
  std::array<char, 65536> piece;
  while (const size_t got = std::fread(piece.data(), 1, piece.size(), file)) {
    bytes.append(piece.data(), got);
  }
  return bytes;
}

std::string ReadFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (!file) throw std::runtime_error(fmt::format("can't open the text {}", path));
  return ReadAll(file.get());
}

std::string ReadBible() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(kBibleCommand, "r"), pclose);
  return pipe ? ReadAll(pipe.get()) : std::string();
}

}  // namespace

Text Text::Load(const std::string& path) {
  const std::string bytes = path.empty() ? ReadBible() : ReadFile(path);
  if (bytes.size() < kLeastBytes) {
    throw std::runtime_error(fmt::format(
        "the text from {} has only {} bytes: install the Debian package bible-kjv, or give --text "
        "FILE",
        path.empty() ? kBibleCommand : path, bytes.size()));
  }
  return Text(bytes);
}

Text::Text(const std::string& bytes) : held_out_from_(bytes.size() / 20 * 19) {
  std::array<bool, 256> occurs{};
  for (const char c : bytes) occurs[static_cast<uint8_t>(c)] = true;
  std::array<uint8_t, 256> number{};
  for (size_t c = 0; c < occurs.size(); ++c) {
    if (occurs[c]) number[c] = static_cast<uint8_t>(vocabulary_++);
  }
  characters_.reserve(bytes.size());
  for (const char c : bytes) characters_.push_back(number[static_cast<uint8_t>(c)]);
}

Batch Text::Draw(Part part, size_t size, size_t context, std::mt19937_64* random) const {
  const size_t begin = part == Part::kTraining ? 0 : held_out_from_;
  const size_t end = part == Part::kTraining ? held_out_from_ : characters_.size();
  Batch batch{.size = size, .context = context, .contexts = {}, .targets = {}};
  for (size_t i = 0; i < size; ++i) {
    const size_t at = begin + (*random)() % (end - begin - context);
    const auto first = characters_.begin() + static_cast<std::ptrdiff_t>(at);
    batch.contexts.insert(batch.contexts.end(), first,
                          first + static_cast<std::ptrdiff_t>(context));
    batch.targets.push_back(characters_[at + context]);
  }
  return batch;
}

}  // namespace train_text
