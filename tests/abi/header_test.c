/* SPDX-License-Identifier: Apache-2.0
 *
 * The public headers as C99 and, through header_test.cc, as C++: sizes, values and initializers
 * that programs compiled yesterday rely on. Built twice: with THINWIRE_TEST_NCCL, against nccl.h.
 */
#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                     \
  do {                                                       \
    if (!(condition)) {                                      \
      printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                            \
    }                                                        \
  } while (0)

static int failures = 0;

#ifdef THINWIRE_TEST_NCCL
#include "nccl.h"

static void Check(void) {
  ncclResult_t result = ncclSuccess;
  int version = 0;
  CHECK(sizeof(ncclUniqueId) == 128 && NCCL_UNIQUE_ID_BYTES == 128);
  CHECK(sizeof(ncclResult_t) == 4 && sizeof(ncclDataType_t) == 4 && sizeof(ncclRedOp_t) == 4);
  CHECK(sizeof(ncclComm_t) == sizeof(void*) && sizeof(cudaStream_t) == sizeof(void*));
  CHECK(ncclRemoteError == 6 && ncclInProgress == 7 && ncclTimeout == 8 && ncclNumResults == 9);
  CHECK(ncclInt8 == 0 && ncclChar == 0 && ncclUint8 == 1 && ncclInt32 == 2 && ncclInt == 2);
  CHECK(ncclUint32 == 3 && ncclInt64 == 4 && ncclUint64 == 5 && ncclFloat16 == 6);
  CHECK(ncclHalf == 6 && ncclFloat32 == 7 && ncclFloat == 7 && ncclFloat64 == 8);
  CHECK(ncclDouble == 8 && ncclBfloat16 == 9 && ncclFloat8e4m3 == 10 && ncclFloat8e5m2 == 11);
  CHECK(ncclNumTypes == 12);
  CHECK(ncclSum == 0 && ncclProd == 1 && ncclMax == 2 && ncclMin == 3 && ncclAvg == 4);
  CHECK(ncclNumOps == 5 && ncclMaxRedOp == 0x7fffffff);
  CHECK(NCCL_VERSION(2, 31, 2) == NCCL_VERSION_CODE && NCCL_VERSION(2, 7, 8) == 2708);
  result = ncclGetVersion(&version);
  CHECK(result == ncclSuccess && version == NCCL_VERSION_CODE);
  CHECK(pncclGetVersion(&version) == ncclSuccess);
}
#else
#include "thinwire/codec.h"
#include "thinwire/thinwire.h"

static void Check(void) {
  thinwireConfig_t config = THINWIRE_CONFIG_INITIALIZER;
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  int version = 0;
  CHECK(sizeof(thinwireUniqueId) == 128);
  CHECK(sizeof(thinwireResult_t) == 4 && sizeof(thinwireOperation_t) == 4);
  CHECK(sizeof(thinwireConfig_t) == 152 && config.size == sizeof(config));
  CHECK(config.magic == THINWIRE_CONFIG_MAGIC && config.version == THINWIRE_VERSION_CODE);
  CHECK(config.transport == NULL && config.netInterface == NULL && config.segmentBytes == 0);
  CHECK(config.timeoutSeconds < 0 && config.silenceSeconds < 0 && config.measureError < 0);
  CHECK(sizeof(thinwireCallOptions_t) == 56 && options.size == sizeof(options));
  CHECK(options.magic == THINWIRE_CALL_MAGIC && options.policy == NULL);
  CHECK(options.request == NULL && options.stream == NULL && options.tensor == NULL);
  CHECK(options.key == THINWIRE_NO_KEY && config.stateBytes == 0 && config.stateFolder == NULL);
  CHECK(sizeof(thinwireStatistics_t) == 184);
  CHECK(thinwireInvalidArgument == 4 && thinwireInvalidUsage == 5 && thinwireRemoteError == 6);
  CHECK(thinwireInProgress == 7 && thinwireTimeout == 8);
  CHECK(thinwireInt8 == 0 && thinwireFloat32 == 7 && thinwireFloat8e5m2 == 11);
  CHECK(thinwireSum == 0 && thinwireAvg == 4 && thinwireOpBarrier == 0 && thinwireOpRecv == 7);
  CHECK(thinwireOpAllToAll == 8);
  CHECK(thinwireGetVersion(&version) == thinwireSuccess && version == THINWIRE_VERSION_CODE);
}
#endif

int main(void) {
  Check();
  return failures == 0 ? 0 : 1;
}
