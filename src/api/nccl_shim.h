// SPDX-License-Identifier: Apache-2.0
//
// What the files of libnccl.so.2 share. It is written on the native C API alone: an ncclComm_t is a
// thinwireComm_t, and codes, types and reductions have equal values.

#ifndef THINWIRE_API_NCCL_SHIM_H_
#define THINWIRE_API_NCCL_SHIM_H_

#include <string>

#include "nccl_compat/nccl.h"
#include "thinwire/thinwire.h"

// Defines pncclX, exported, and ncclX as its weak alias.
#define NCCL_DEFINE(result, name, parameters)                               \
  extern "C" __attribute__((visibility("default"), weak, alias("p" #name))) \
  result name parameters;                                                   \
  extern "C" __attribute__((visibility("default"))) result p##name parameters

namespace thinwire::nccl {

// Text of the calling thread's last failure, where it is the shim's own; else "".
inline std::string& OwnError() {
  static thread_local std::string text;
  return text;
}

// The native library's answer. ncclTimeout came with 2.29, and programs throw on codes they don't
// know.
inline ncclResult_t ToNccl(thinwireResult_t result) {
  if (result != thinwireSuccess) OwnError().clear();
  return result == thinwireTimeout ? ncclRemoteError : static_cast<ncclResult_t>(result);
}

// The shim's own.
inline ncclResult_t Refuse(ncclResult_t code, std::string text) {
  OwnError() = std::move(text);
  return code;
}

inline thinwireDataType_t Type(ncclDataType_t dtype) {
  return static_cast<thinwireDataType_t>(dtype);
}
inline thinwireRedOp_t Op(ncclRedOp_t op) { return static_cast<thinwireRedOp_t>(op); }

}  // namespace thinwire::nccl

#endif  // THINWIRE_API_NCCL_SHIM_H_
