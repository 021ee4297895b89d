// SPDX-License-Identifier: Apache-2.0
//
// Optional parts of the library, in shared objects that are loaded when they are first needed: so
// that one build runs with and without what they link to.

#ifndef THINWIRE_BASE_MODULE_H_
#define THINWIRE_BASE_MODULE_H_

#include <string>

#include "base/status.h"

namespace thinwire {

// The address of `symbol` in the module `file`: in `folder` if that is not empty, beside this
// library or program, in lib/ beside its folder, or wherever the loader finds it. The module stays
// loaded. kSystem says why there is none.
Result<void*> LoadFromModule(const char* file, const char* symbol, const std::string& folder = "");

}  // namespace thinwire

#endif  // THINWIRE_BASE_MODULE_H_
