// SPDX-License-Identifier: Apache-2.0
//
// The examples of a document (docs/wire-format.md unless told): blocks that begin with ```hex NAME
// and hold lines of hex bytes, with an offset before a colon and a remark after a #.

#ifndef THINWIRE_TESTS_WIRE_HEX_BLOCK_H_
#define THINWIRE_TESTS_WIRE_HEX_BLOCK_H_

#include <cstddef>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace thinwire {

// Empty when the document has no such block.
inline std::vector<std::byte> HexBlock(const std::string& name,
                                       const std::string& path = "docs/wire-format.md") {
  std::ifstream document(THINWIRE_SOURCE_DIR "/" + path);
  std::vector<std::byte> bytes;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line == "```hex " + name) {
      inside = true;
    } else if (line.starts_with("```")) {
      inside = false;
    } else if (inside) {
      std::istringstream words(line.substr(line.find(':') + 1));
      for (std::string word; words >> word && word[0] != '#';) {
        bytes.push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
      }
    }
  }
  return bytes;
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_WIRE_HEX_BLOCK_H_
