// SPDX-License-Identifier: Apache-2.0
//
// Address blobs through pipes between a test and its child process: length, then bytes.

#ifndef THINWIRE_TESTS_TRANSPORT_PIPE_BLOB_H_
#define THINWIRE_TESTS_TRANSPORT_PIPE_BLOB_H_

#include <unistd.h>

#include <cstdint>
#include <string>

namespace thinwire {

inline bool WriteBlob(int fd, const std::string& blob) {
  const uint64_t size = blob.size();  // below PIPE_BUF: one write each
  return write(fd, &size, sizeof(size)) == static_cast<ssize_t>(sizeof(size)) &&
         write(fd, blob.data(), blob.size()) == static_cast<ssize_t>(blob.size());
}

inline bool ReadFully(int fd, char* target, size_t size) {
  while (size > 0) {
    const ssize_t n = read(fd, target, size);
    if (n <= 0) return false;
    target += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// Empty where nothing comes.
inline std::string ReadBlob(int fd) {
  uint64_t size = 0;
  if (!ReadFully(fd, reinterpret_cast<char*>(&size), sizeof(size)) || size > 1 << 20) return {};
  std::string blob(size, '\0');
  return ReadFully(fd, blob.data(), size) ? blob : std::string();
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_TRANSPORT_PIPE_BLOB_H_
