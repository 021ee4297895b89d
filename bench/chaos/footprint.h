// SPDX-License-Identifier: Apache-2.0
//
// What this process holds of the system: threads, files and sockets, memory.

#ifndef THINWIRE_BENCH_CHAOS_FOOTPRINT_H_
#define THINWIRE_BENCH_CHAOS_FOOTPRINT_H_

#include <cstddef>
#include <string>
#include <vector>

namespace thinwire::chaos {

struct Footprint {
  size_t threads = 0;
  size_t files = 0;  // open descriptors, sockets included
  size_t resident_bytes = 0;

  static Footprint Now();
};

// Now, once it holds no more threads and files than `before`, or after two seconds: what a thread
// held may go a moment after it has ended.
Footprint SettledFootprint(const Footprint& before);

// What the open descriptors are: "socket:[123]", a path ...
std::vector<std::string> OpenFiles();

}  // namespace thinwire::chaos

#endif  // THINWIRE_BENCH_CHAOS_FOOTPRINT_H_
