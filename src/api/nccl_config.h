// SPDX-License-Identifier: Apache-2.0
//
// Reading the configurations of NCCL's callers, of any header from 2.14 to 2.31.

#ifndef THINWIRE_API_NCCL_CONFIG_H_
#define THINWIRE_API_NCCL_CONFIG_H_

#include "api/nccl_shim.h"

namespace thinwire::nccl {

// *mine = what `theirs` sets, undefined fields else. NULL sets nothing. ncclInvalidArgument says
// which field makes no sense. Short ones are of older headers; some of those passed padding that
// nobody had set where later ones have a field, so a field counts only from its version on.
ncclResult_t ReadConfig(const ncclConfig_t* theirs, ncclConfig_t* mine);

// The native configuration that this makes.
ncclResult_t ToNative(const ncclConfig_t* theirs, thinwireConfig_t* native);

// The options of a call: `policy`, `key` and `tensor` as its configuration has them, which must
// outlive the call.
ncclResult_t ReadCallConfig(const ncclCollConfig_t* config, thinwireCallOptions_t* options);

}  // namespace thinwire::nccl

#endif  // THINWIRE_API_NCCL_CONFIG_H_
