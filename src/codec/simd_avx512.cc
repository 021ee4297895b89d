// SPDX-License-Identifier: Apache-2.0
#define TW_SIMD_LOOPS kSimdAvx512
#define TW_SIMD_NAME "avx512"
#include "codec/simd_loops.h"
