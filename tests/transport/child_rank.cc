// SPDX-License-Identifier: Apache-2.0
//
// Rank 1 of a pair in a process of its own, for tests that kill it; the argument is the name of the
// transport. Reads rank 0's address from standard input (8 bytes of length, then the bytes), writes
// its own to standard output likewise, connects, and polls until it is killed or rank 0 is gone.
#include "transport/pipe_blob.h"
#include "transport/transport.h"

int main(int count, char** arguments) {
  using namespace thinwire;  // NOLINT: a main of a few lines
  if (count != 2) return 1;
  auto made = MakeTransport(arguments[1], {});
  if (!made.ok()) return 1;
  Transport& transport = *made.value();
  const Result<std::string> address = transport.Address();
  if (!address.ok() || !WriteBlob(1, address.value())) return 2;
  const std::string addresses[] = {ReadBlob(0), address.value()};
  if (!transport.Connect(1, addresses, Now() + std::chrono::seconds(60)).ok()) return 3;
  std::vector<Message> arrived;
  while (transport.PeerStatus(0).ok()) {
    transport.Poll(&arrived);
    arrived.clear();
    transport.Wait(Now() + std::chrono::seconds(1));
  }
  return 0;
}
