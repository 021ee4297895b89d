// SPDX-License-Identifier: Apache-2.0
#include "kernel_report.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace thinwire::cuda {

void PrintTable(const Report& report) {
  fmt::print("{}, {} multiprocessors; {} elements; medians of {}\n", report.device,
             report.multiprocessors, report.elements, report.repeats);
  fmt::print("{:>14}{:>10}{:>30}{:>10}{:>10}{:>9}{:>10}{:>10}{:>10}\n", "codec", "elements", "pass",
             "bytes/el", "wire B/el", "ms", "GB/s", "of copy", "10G link");
  for (const Row& row : report.rows) {
    const auto count = static_cast<double>(report.elements);
    fmt::print("{:>14}{:>10}{:>30}{:>10.3f}{:>10.3f}{:>9.3f}{:>10.1f}{:>9.1f}%{:>10}\n", row.codec,
               NameOf(row.dtype), row.pass, row.bytes / count, row.encoded_bytes / count,
               1e3 * row.seconds, row.rate() / 1e9, 100 * row.rate() / row.copy_rate,
               std::isnan(row.link_percent) ? "" : fmt::format("{:.2f}%", row.link_percent));
  }
}

Status WriteJson(const Report& report, const std::string& path) {
  nlohmann::ordered_json json = {{"device", report.device},
                                 {"multiprocessors", report.multiprocessors},
                                 {"elements", report.elements},
                                 {"repeats", report.repeats},
                                 {"rows", nlohmann::ordered_json::array()}};
  for (const Row& row : report.rows) {
    nlohmann::ordered_json entry = {{"codec", row.codec},
                                    {"dtype", NameOf(row.dtype)},
                                    {"pass", row.pass},
                                    {"bytes", row.bytes},
                                    {"encoded_bytes", row.encoded_bytes},
                                    {"seconds", row.seconds},
                                    {"bytes_per_second", row.rate()},
                                    {"copy_bytes_per_second", row.copy_rate},
                                    {"link_10g_percent", nullptr}};
    if (!std::isnan(row.link_percent)) entry["link_10g_percent"] = row.link_percent;
    json["rows"].push_back(std::move(entry));
  }
  std::ofstream file(path);
  file << json.dump(2) << '\n';
  file.close();
  if (file.good()) return {};
  return Status(Code::kSystem, fmt::format("can't write {}", path));
}

}  // namespace thinwire::cuda
