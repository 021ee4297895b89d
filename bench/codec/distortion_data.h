// SPDX-License-Identifier: Apache-2.0
//
// What distortion is measured on: samples of distributions, the same on every machine up to the
// last bit of the mathematical library, and captured tensors.

#ifndef THINWIRE_BENCH_CODEC_DISTORTION_DATA_H_
#define THINWIRE_BENCH_CODEC_DISTORTION_DATA_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace thinwire {

struct DataSet {
  std::string name;
  std::vector<float> values;
};

// N(0, 1).
std::vector<float> GaussianData(size_t count, uint64_t seed);
// Student's t with 3 degrees of freedom: heavy tails.
std::vector<float> StudentData(size_t count, uint64_t seed);
// Gaussian times a log-normal scale of sigma 1.5 per 16384 elements, as between layers, and one of
// .5 per 64, as within them.
std::vector<float> LayeredData(size_t count, uint64_t seed);

// These three.
std::vector<DataSet> StandardData(size_t count);

// A file of raw binary32, such as `train_text --capture` writes, given as NAME=PATH.
Result<DataSet> ReadDataSet(const std::string& name_and_path);

// sum (x - y)^2 / sum x^2.
double Distortion(std::span<const float> x, std::span<const float> y);

// Processor time of this thread: what others do on the machine doesn't count.
double ProcessorSeconds();

}  // namespace thinwire

#endif  // THINWIRE_BENCH_CODEC_DISTORTION_DATA_H_
