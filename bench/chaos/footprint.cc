// SPDX-License-Identifier: Apache-2.0
#include "footprint.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace thinwire::chaos {
namespace {

size_t EntriesOf(const char* folder) {
  const std::filesystem::directory_iterator entries(folder);
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace

Footprint Footprint::Now() {
  std::ifstream statm("/proc/self/statm");
  size_t all_pages = 0, resident_pages = 0;
  statm >> all_pages >> resident_pages;
  statm.close();
  return {.threads = EntriesOf("/proc/self/task"),
          .files = EntriesOf("/proc/self/fd"),
          .resident_bytes = resident_pages * static_cast<size_t>(sysconf(_SC_PAGESIZE))};
}

Footprint SettledFootprint(const Footprint& before) {
  constexpr auto kPause = std::chrono::milliseconds(20);
  constexpr int kLooks = 100;
  Footprint now = Footprint::Now();
  for (int i = 0; i < kLooks && (now.threads > before.threads || now.files > before.files); ++i) {
    std::this_thread::sleep_for(kPause);
    now = Footprint::Now();
  }
  return now;
}

std::vector<std::string> OpenFiles() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    files.push_back(std::filesystem::read_symlink(entry.path(), gone));
  }
  return files;
}

}  // namespace thinwire::chaos
