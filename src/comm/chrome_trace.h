// SPDX-License-Identifier: Apache-2.0
//
// ChromeTrace: calls as slices on a line of time, in the Trace Event Format that chrome://tracing
// and Perfetto read: an array of JSON objects, whose last bracket may be missing, so that a file is
// good at any time. Process: the rank; thread: the communicator, with a further one for calls that
// were in flight at once. One thread; files are shared with other communicators of the process.

#ifndef THINWIRE_COMM_CHROME_TRACE_H_
#define THINWIRE_COMM_CHROME_TRACE_H_

#include <string>
#include <vector>

#include "collective/call_queue.h"
#include "comm/output_file.h"

namespace thinwire {

class ChromeTrace {
 public:
  // The first of a process to write a file begins it anew.
  ChromeTrace(std::string path, const Writer& writer);

  void Add(const EndedCall& call);
  // Appends to the file what was added since.
  Status Flush();

 private:
  // The thread of a call, none of whose slices covers another.
  int LaneOf(const EndedCall& call);
  void NameLane(int lane);
  std::string Slice(std::string_view name, int lane, TimePoint begin, double seconds,
                    std::string_view arguments) const;

  const std::string path_;
  const Writer writer_;
  const int64_t epoch_ns_;  // the time of day where Now() is 0
  std::vector<TimePoint> lane_ends_;
  std::string pending_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_CHROME_TRACE_H_
