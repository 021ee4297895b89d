// SPDX-License-Identifier: Apache-2.0
#include "distortion_data.h"

#include <time.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <iterator>
#include <numbers>
#include <random>

namespace thinwire {
namespace {

static_assert(std::endian::native == std::endian::little);

// Box and Muller's; the standard library's distributions differ between libraries.
class Normal {
 public:
  explicit Normal(uint64_t seed) : random_(seed) {}

  double operator()() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const double radius = std::sqrt(-2 * std::log(Uniform()));
    const double angle = 2 * std::numbers::pi * Uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }

 private:
  // In (0, 1].
  double Uniform() { return static_cast<double>((random_() >> 11) + 1) * 0x1p-53; }

  std::mt19937_64 random_;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace

std::vector<float> GaussianData(size_t count, uint64_t seed) {
  Normal normal(seed);
  std::vector<float> values(count);
  for (float& x : values) x = static_cast<float>(normal());
  return values;
}

std::vector<float> StudentData(size_t count, uint64_t seed) {
  constexpr int kDegrees = 3;
  Normal normal(seed);
  std::vector<float> values(count);
  for (float& x : values) {
    double chi_square = 0;
    for (int i = 0; i < kDegrees; ++i) {
      const double z = normal();
      chi_square += z * z;
    }
    x = static_cast<float>(normal() / std::sqrt(chi_square / kDegrees));
  }
  return values;
}

std::vector<float> LayeredData(size_t count, uint64_t seed) {
  constexpr size_t kLayer = 16384, kRow = 64;
  Normal normal(seed);
  std::vector<float> values(count);
  double layer = 0, row = 0;
  for (size_t i = 0; i < count; ++i) {
    if (i % kLayer == 0) layer = 1.5 * normal();
    if (i % kRow == 0) row = 0.5 * normal();
    values[i] = static_cast<float>(normal() * std::exp(layer + row));
  }
  return values;
}

std::vector<DataSet> StandardData(size_t count) {
  return {{"Gaussian", GaussianData(count, 1)},
          {"Student t3", StudentData(count, 2)},
          {"layered", LayeredData(count, 3)}};
}

Result<DataSet> ReadDataSet(const std::string& name_and_path) {
  const size_t equals = name_and_path.find('=');
  if (equals == std::string::npos || equals == 0) {
    return InvalidArgument("'{}' is not NAME=PATH", name_and_path);
  }
  const std::string path = name_and_path.substr(equals + 1);
  std::ifstream file(path, std::ios::binary);
  if (!file) return InvalidArgument("can't open {}", path);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  if (bytes.empty() || bytes.size() % sizeof(float) != 0) {
    return InvalidArgument("{} has {} bytes, which is no number of binary32 elements", path,
                           bytes.size());
  }
  DataSet data = {name_and_path.substr(0, equals),
                  std::vector<float>(bytes.size() / sizeof(float))};
  bytes.copy(reinterpret_cast<char*>(data.values.data()), bytes.size());
  double energy = 0;
  for (const float x : data.values) energy += double{x} * x;
  if (!std::isfinite(energy) || energy == 0) {
    return InvalidArgument("{} holds NaN, Inf or nothing but zeros", path);
  }
  return data;
}

double Distortion(std::span<const float> x, std::span<const float> y) {
  double error = 0, energy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double difference = double{x[i]} - y[i];
    error += difference * difference;
    energy += double{x[i]} * x[i];
  }
  return error / energy;
}

double ProcessorSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace thinwire
