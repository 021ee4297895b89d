// SPDX-License-Identifier: Apache-2.0
// All hosts of one emulated network and the thread that forwards between them. Destroying it, or
// the end of the process however it comes, removes everything.
#ifndef THINWIRE_BENCH_LAB_EMULATED_NETWORK_H_
#define THINWIRE_BENCH_LAB_EMULATED_NETWORK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "collective/link_model.h"
#include "emulated_host.h"
#include "forwarder.h"

namespace thinwire::lab {

struct NetworkOptions {
  LinkModel links{2};
  uint64_t queue_bytes = 0;  // 0: max(rate x round trip, 256 KB)
  int mtu = 1500;
  std::string congestion;  // empty: the system's default
  uint64_t seed = 1;       // of the losses
};

class EmulatedNetwork {
 public:
  explicit EmulatedNetwork(const NetworkOptions& options);

  int ranks() const { return static_cast<int>(hosts_.size()); }
  int netns(int rank) const { return hosts_[static_cast<size_t>(rank)].netns.get(); }

  // Ends forwarding and returns what was counted.
  const ForwarderStats& Stop();

 private:
  std::vector<Host> hosts_;
  std::unique_ptr<Forwarder> forwarder_;
};

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_EMULATED_NETWORK_H_
