// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl_algorithms.h"

#include <algorithm>
#include <cctype>

#include "collective/planner.h"

namespace thinwire {
namespace {

// Letters and digits alone, small: NCCL's "AllReduce" and our "all_reduce" are one then.
std::string Bare(std::string_view text) {
  std::string bare;
  for (const char c : text) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter) != 0) bare += static_cast<char>(std::tolower(letter));
  }
  return bare;
}

// The next part of *text, which it is cut off from.
std::string_view NextPart(std::string_view* text, char separator) {
  const std::string_view part = text->substr(0, text->find(separator));
  text->remove_prefix(std::min(text->size(), part.size() + 1));
  return part;
}

}  // namespace

NcclAlgorithms::NcclAlgorithms(std::string_view text) {
  while (!text.empty()) {
    std::string_view names = NextPart(&text, ';');
    std::vector<Operation> operations;
    const size_t colon = names.find(':');
    for (int i = 0; i < kOperations; ++i) {
      const auto operation = static_cast<Operation>(i);
      const bool meant =
          colon == names.npos || Bare(names.substr(0, colon)) == Bare(NameOf(operation));
      if (meant) operations.push_back(operation);
    }
    if (colon != names.npos) names.remove_prefix(colon + 1);
    if (names.starts_with('^')) {  // the planner hardly takes those that could be meant
      ignored_.emplace_back(names);
      continue;
    }
    while (!names.empty()) Add(NextPart(&names, ','), operations);
  }
}

void NcclAlgorithms::Add(std::string_view name, const std::vector<Operation>& operations) {
  const std::string bare = Bare(name);
  bool heeded = false;
  for (const Operation operation : operations) {
    const bool tree = bare == "tree" && operation == Operation::kAllReduce;
    if (!tree && bare != "ring") continue;
    asked_[static_cast<size_t>(operation)].push_back(tree ? Algorithm::kDoubleTree
                                                          : Algorithm::kRing);
    heeded = true;
  }
  if (!heeded) ignored_.emplace_back(name);
}

Algorithm NcclAlgorithms::For(Operation operation, const Codec& codec) const {
  const std::vector<Algorithm>& asked = asked_[static_cast<size_t>(operation)];
  if (asked.empty()) return Algorithm::kAuto;
  const std::vector<Algorithm> able = Planner::Candidates(operation, codec);
  for (const Algorithm algorithm : asked) {
    if (std::ranges::find(able, algorithm) != able.end()) return algorithm;
  }
  return Algorithm::kAuto;
}

}  // namespace thinwire
