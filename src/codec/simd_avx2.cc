// SPDX-License-Identifier: Apache-2.0
#define TW_SIMD_LOOPS kSimdAvx2
#define TW_SIMD_NAME "avx2"
#include "codec/simd_loops.h"
