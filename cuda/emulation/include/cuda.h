// SPDX-License-Identifier: Apache-2.0
//
// What Thinwire uses of the CUDA driver interface, for builds that emulate it.

#ifndef THINWIRE_CUDA_EMULATION_INCLUDE_CUDA_H_
#define THINWIRE_CUDA_EMULATION_INCLUDE_CUDA_H_

#include <cstdint>

enum CUresult { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_VALUE = 1 };
using CUstream = struct CUstream_st*;
using CUdeviceptr = unsigned long long;

enum CUstreamBatchMemOpType {
  CU_STREAM_MEM_OP_WAIT_VALUE_32 = 1,
  CU_STREAM_MEM_OP_WRITE_VALUE_32 = 2,
};
enum { CU_STREAM_WAIT_VALUE_GEQ = 0, CU_STREAM_WAIT_VALUE_EQ = 1 };

union CUstreamBatchMemOpParams {
  CUstreamBatchMemOpType operation;
  struct {
    CUstreamBatchMemOpType operation;
    CUdeviceptr address;
    union {
      uint32_t value;
      uint64_t value64;
    };
    unsigned flags;
    CUdeviceptr alias;
  } waitValue, writeValue;
};

#endif  // THINWIRE_CUDA_EMULATION_INCLUDE_CUDA_H_
