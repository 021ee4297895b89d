// SPDX-License-Identifier: Apache-2.0
#include "comm/spill_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <iterator>
#include <limits>

#include "base/checked.h"

namespace thinwire {
namespace {

// Extents are whole pages: neighbours share none, and sizes repeat, so space is used again.
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 62;

static_assert(sizeof(off_t) == 8, "spill files are larger than 2 GiB");

}  // namespace

Status SpillFile::Extent::Write(uint64_t at, std::span<const std::byte> bytes) {
  assert(at + bytes.size() <= length_);
  uint64_t offset = offset_ + at;
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(file_->file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      return SystemErrno(
          fmt::format("writing {} bytes of state to {}", bytes.size(), file_->path_));
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return {};
}

Status SpillFile::Extent::Read(uint64_t at, std::span<std::byte> bytes) const {
  assert(at + bytes.size() <= length_);
  uint64_t offset = offset_ + at;
  while (!bytes.empty()) {
    const ssize_t read =
        ::pread(file_->file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) {
      return SystemErrno(
          fmt::format("reading {} bytes of state from {}", bytes.size(), file_->path_));
    }
    if (read == 0) return SystemError("{}: the file ends before the state in it", file_->path_);
    bytes = bytes.subspan(static_cast<size_t>(read));
    offset += static_cast<uint64_t>(read);
  }
  return {};
}

SpillFile::~SpillFile() {
  if (file_ >= 0) ::close(file_);
}

Status SpillFile::Open() {
  // mkostemp opens with O_EXCL: never a file that somebody else has put there.
  std::string path = folder_ + "/thinwire-state-XXXXXX";
  const int file = ::mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) return SystemErrno(fmt::format("making a file for state in '{}'", folder_));
  if (::unlink(path.c_str()) != 0) {
    Status error = SystemErrno(fmt::format("unlinking {}", path));
    ::close(file);
    return error;
  }
  file_ = file;
  path_ = std::move(path);
  return {};
}

Result<SpillFile::Extent> SpillFile::Reserve(uint64_t bytes) {
  if (bytes > kMaxFileBytes) return InvalidArgument("{} bytes of state fit in no file", bytes);
  const uint64_t length = RoundUp(std::max<uint64_t>(bytes, 1), kPageBytes);
  const std::lock_guard lock(mutex_);
  if (file_ < 0) TW_TRY(Open());
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    const auto [offset, there] = *it;
    if (there < length) continue;
    free_.erase(it);
    if (there > length) free_.emplace(offset + length, there - length);
    return Extent(this, offset, length);
  }
  if (length > kMaxFileBytes - end_) return SystemError("{} can't grow so far", path_);
  const uint64_t offset = end_;
  end_ += length;
  return Extent(this, offset, length);
}

void SpillFile::Release(uint64_t offset, uint64_t length) {
  const std::lock_guard lock(mutex_);
  auto next = free_.lower_bound(offset);
  if (next != free_.end() && offset + length == next->first) {
    length += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      offset = previous->first;
      length += previous->second;
      free_.erase(previous);
    }
  }
  if (offset + length < end_) {
    free_.emplace(offset, length);
    return;
  }
  end_ = offset;
  // Gives back the room on the disk, and spares it the writing of what nobody will read. Where that
  // fails the file is merely longer than it need be.
  struct stat now = {};
  if (::fstat(file_, &now) != 0 || static_cast<uint64_t>(now.st_size) <= end_) return;
  [[maybe_unused]] const int shortened = ::ftruncate(file_, static_cast<off_t>(end_));
}

uint64_t SpillFile::end() const {
  const std::lock_guard lock(mutex_);
  return end_;
}

}  // namespace thinwire
