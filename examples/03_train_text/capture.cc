// SPDX-License-Identifier: Apache-2.0
#include "capture.h"

#include <fmt/format.h>

#include <fstream>
#include <stdexcept>

namespace train_text {

void Capture(const Options& options, size_t step, std::string_view name,
             std::span<const float> values) {
  const size_t number = step + 1;
  if (options.capture.empty() || (number != 1 && number != 10 && number != options.steps)) return;
  const std::string path = fmt::format("{}/{}-{}.f32", options.capture, name, number);
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size_bytes()));
  file.close();
  if (!file) throw std::runtime_error(fmt::format("can't write {}", path));
}

}  // namespace train_text
