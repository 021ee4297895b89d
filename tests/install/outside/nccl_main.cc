// SPDX-License-Identifier: Apache-2.0
#include <nccl.h>

int main() {
  int version = 0;
  return ncclGetVersion(&version) == ncclSuccess && version == NCCL_VERSION_CODE ? 0 : 1;
}
