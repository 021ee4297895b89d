// SPDX-License-Identifier: Apache-2.0
#define TW_SIMD_LOOPS kSimdBaseline
#define TW_SIMD_NAME "baseline"
#include "codec/simd_loops.h"
