// SPDX-License-Identifier: Apache-2.0
//
// Files that a communicator writes for people and their tools: what they are called, and how those
// come about that several communicators of a process share. Any thread.

#ifndef THINWIRE_COMM_OUTPUT_FILE_H_
#define THINWIRE_COMM_OUTPUT_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace thinwire {

// Who writes.
struct Writer {
  int rank = 0;
  int ranks = 1;
  uint64_t communicator = 0;  // its name on the wire
  std::string name() const;   // the communicator's, for people and labels: 16 hexadecimal digits
  auto operator<=>(const Writer&) const = default;
};

// The name a variable gives: %r stands for the rank, %c for the communicator, %h for the host, %p
// for the process.
std::string OutputPath(std::string_view pattern, const Writer& writer);

// In quotes, for JSON, and for labels of metrics.
std::string Quoted(std::string_view text);

// Makes `text` the content of a file at once: whoever reads sees all of the old one or of the new.
// What is no regular file, such as a terminal, is written to.
Status ReplaceFile(const std::string& path, std::string_view text);

// Makes `parts` the section of `writer` in a file of this process, in place of the one it wrote
// before, if any. The file is, for each i: heads[i], then the i-th parts of all sections.
// Of sections, the 64 that were written last are kept.
Status WriteSection(const std::string& path, const Writer& writer, std::vector<std::string> parts,
                    std::span<const std::string_view> heads);

}  // namespace thinwire

#endif  // THINWIRE_COMM_OUTPUT_FILE_H_
