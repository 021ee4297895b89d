// SPDX-License-Identifier: Apache-2.0
//
// What kernel_bench found: as a table, and as JSON.

#ifndef THINWIRE_BENCH_CUDA_KERNEL_REPORT_H_
#define THINWIRE_BENCH_CUDA_KERNEL_REPORT_H_

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/types.h"

namespace thinwire::cuda {

// One pass of one codec.
struct Row {
  std::string codec;
  DataType dtype = DataType::kFloat32;
  std::string pass;
  double bytes = 0;          // that must move
  double encoded_bytes = 0;  // of one encoding
  double seconds = 0;
  double copy_rate = 0;       // bytes read and written a second
  double link_percent = NAN;  // of encoding

  double rate() const { return bytes / seconds; }
};

struct Report {
  std::string device;
  int multiprocessors = 0;
  size_t elements = 0;  // of a pass
  int repeats = 0;
  std::vector<Row> rows;
};
void PrintTable(const Report& report);
Status WriteJson(const Report& report, const std::string& path);

}  // namespace thinwire::cuda

#endif  // THINWIRE_BENCH_CUDA_KERNEL_REPORT_H_
