// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

#include <cerrno>
#include <system_error>

namespace thinwire {

const std::string& Status::message() const {
  static const std::string kNone;
  return ok() ? kNone : state_->message;
}

Status Status::WithContext(const std::string& context) const {
  return ok() ? *this : Status(code(), context + ": " + message());
}

Status SystemErrno(const std::string& what) {
  return SystemError("{}: {}", what, std::generic_category().message(errno));
}

}  // namespace thinwire
