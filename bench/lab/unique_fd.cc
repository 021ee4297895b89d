// SPDX-License-Identifier: Apache-2.0
// Errors of system calls.
#include "unique_fd.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace thinwire::lab {

void ThrowErrno(const std::string& what) {
  throw LabError(fmt::format("{}: {}", what, std::strerror(errno)));
}

}  // namespace thinwire::lab
