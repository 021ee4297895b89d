// SPDX-License-Identifier: Apache-2.0
//
// SpillFile: space on disk for bytes that don't fit in memory. The file is made when it is first
// needed and has no name afterwards, so it goes with the process however that ends. Any thread.

#ifndef THINWIRE_COMM_SPILL_FILE_H_
#define THINWIRE_COMM_SPILL_FILE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "base/status.h"

namespace thinwire {

class SpillFile {
 public:
  // A part of the file; gives its space back when it goes. Must not outlive the file. Reads and
  // writes are for one thread at a time; different extents don't disturb each other.
  class Extent {
   public:
    Extent() = default;
    Extent(Extent&& other) noexcept { *this = std::move(other); }
    Extent& operator=(Extent&& other) noexcept {
      std::swap(file_, other.file_);
      std::swap(offset_, other.offset_);
      std::swap(length_, other.length_);
      return *this;
    }
    ~Extent() {
      if (file_ != nullptr) file_->Release(offset_, length_);
    }

    bool empty() const { return file_ == nullptr; }
    // At `at` bytes from the start of the extent, within it. Errors name the file.
    Status Write(uint64_t at, std::span<const std::byte> bytes);
    Status Read(uint64_t at, std::span<std::byte> bytes) const;

   private:
    friend class SpillFile;
    Extent(SpillFile* file, uint64_t offset, uint64_t length)
        : file_(file), offset_(offset), length_(length) {}
    SpillFile* file_ = nullptr;
    uint64_t offset_ = 0;
    uint64_t length_ = 0;
  };

  explicit SpillFile(std::string folder) : folder_(std::move(folder)) {}
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  // Space for so many bytes; takes room on the disk only as it is written. Fails where the file
  // can't be made.
  Result<Extent> Reserve(uint64_t bytes);

  // Where the file ends: the most that has been in use, less what came free at its end.
  uint64_t end() const;

 private:
  Status Open();
  void Release(uint64_t offset, uint64_t length);

  const std::string folder_;
  mutable std::mutex mutex_;
  int file_ = -1;     // written once, before there is an extent
  std::string path_;  // likewise; for error texts
  uint64_t end_ = 0;
  std::map<uint64_t, uint64_t> free_;  // offset -> length; no two touch, none touches end_
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_SPILL_FILE_H_
