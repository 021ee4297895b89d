// SPDX-License-Identifier: Apache-2.0
// Passes on the output of several processes line by line, whole lines at a time, each with a prefix
// that names its process.
#ifndef THINWIRE_BENCH_LAB_LINE_OUTPUT_H_
#define THINWIRE_BENCH_LAB_LINE_OUTPUT_H_

#include <poll.h>

#include <string>
#include <string_view>
#include <vector>

#include "unique_fd.h"

namespace thinwire::lab {

class LineOutput {
 public:
  // Takes the reading end of a pipe; its lines go to `target` (a descriptor) behind `prefix`.
  void Add(UniqueFd source, int target, std::string prefix);

  // Descriptors to poll for reading, appended to `polled`.
  void AppendPolled(std::vector<pollfd>* polled) const;

  // Passes on what can be read without waiting. False when a target can't be written any more.
  bool Pump();

  // Passes on everything that is left, including a last line without an end.
  void Finish();

 private:
  struct Stream {
    UniqueFd source;
    int target = 1;
    std::string prefix;
    std::string partial;
  };

  static bool PumpStream(Stream* stream);
  static bool WriteLines(const Stream& stream, std::string_view lines);

  std::vector<Stream> streams_;
};

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_LINE_OUTPUT_H_
