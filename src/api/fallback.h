/* SPDX-License-Identifier: Apache-2.0
 *
 * What libnccl.so.2 asks the native library about communicators that it may hand over to another
 * NCCL (nccl_fallback.h). Exported for it alone; no part of the API.
 */
#ifndef THINWIRE_API_FALLBACK_H_
#define THINWIRE_API_FALLBACK_H_

#include "thinwire/thinwire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* *path = THINWIRE_FALLBACK, "" if it is not set; valid until the thread asks again. */
THINWIRE_API thinwireResult_t thinwireFallbackPath(const char** path);

/* *may = 1: every rank was made by a caller that can hand it over (thinwireConfig_t.handOver), its
 * policy is exact on all of them, and they stand close together. Equal on all ranks. */
THINWIRE_API thinwireResult_t thinwireCommMayHandOver(thinwireComm_t comm, int* may);

/* A line of the log, at the level of warnings. */
THINWIRE_API void thinwireLogWarning(const char* text);

#ifdef __cplusplus
}
#endif

#endif /* THINWIRE_API_FALLBACK_H_ */
