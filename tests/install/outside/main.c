/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <thinwire/thinwire.h>

int main(void) {
  thinwireComm_t comms[1];
  thinwireConfig_t config = THINWIRE_CONFIG_INITIALIZER;
  float one = 1;
  float sum = 0;
  config.transport = "loopback";
  if (thinwireCommInitAll(comms, 1, &config) != thinwireSuccess ||
      thinwireAllReduce(&one, &sum, 1, thinwireFloat32, thinwireSum, comms[0], NULL) !=
          thinwireSuccess) {
    fprintf(stderr, "%s\n", thinwireGetLastError(NULL));
    return 1;
  }
  thinwireCommDestroy(comms[0]);
  return sum == 1 ? 0 : 2;
}
