// SPDX-License-Identifier: Apache-2.0
//
// Site: ranks whose devices share a fast network, and the exact collectives among them, in the
// order of a stream. What happens between sites is not its business.

#ifndef THINWIRE_DEVICE_SITE_H_
#define THINWIRE_DEVICE_SITE_H_

#include <array>
#include <cstddef>

#include "base/status.h"
#include "base/types.h"

namespace thinwire {

using SiteId = std::array<std::byte, 128>;

class Site {
 public:
  virtual ~Site() = default;

  // As the operations of those names, on device memory. May be in place: `recv` is where this
  // rank's share of `send` stands, or `send` where its share of `recv` does.
  virtual Status ReduceScatter(const void* send, void* recv, size_t count, DataType dtype,
                               Reduction reduction, void* stream) = 0;
  virtual Status AllGather(const void* send, void* recv, size_t count, DataType dtype,
                           void* stream) = 0;
  virtual Status Reduce(const void* send, void* recv, size_t count, DataType dtype,
                        Reduction reduction, int root, void* stream) = 0;
  virtual Status Broadcast(void* buffer, size_t count, DataType dtype, int root, void* stream) = 0;
  // Gives up what is in flight.
  virtual void Abort() = 0;
};

}  // namespace thinwire

#endif  // THINWIRE_DEVICE_SITE_H_
