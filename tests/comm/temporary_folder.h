// SPDX-License-Identifier: Apache-2.0

#ifndef THINWIRE_TESTS_COMM_TEMPORARY_FOLDER_H_
#define THINWIRE_TESTS_COMM_TEMPORARY_FOLDER_H_

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cstddef>
#include <filesystem>
#include <string>

namespace thinwire {

// An empty folder, gone with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(testing::TempDir() + "/thinwire-test-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "no folder " << path_;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  bool empty() const { return std::filesystem::is_empty(path_); }

 private:
  std::string path_;
};

// While it lives, writes beyond `bytes` of any file fail, as on a full disk.
class FullDisk {
 public:
  explicit FullDisk(size_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_ = {};
  sighandler_t handler_;
};

}  // namespace thinwire

#endif  // THINWIRE_TESTS_COMM_TEMPORARY_FOLDER_H_
