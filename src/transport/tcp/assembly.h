// SPDX-License-Identifier: Apache-2.0
//
// Assembly: messages of one peer whose pieces come by several flows, each read straight into its
// place. What a peer claims is checked: no byte is written twice, so a message that is complete is
// no longer written to. Layer: transport.

#ifndef THINWIRE_TRANSPORT_TCP_ASSEMBLY_H_
#define THINWIRE_TRANSPORT_TCP_ASSEMBLY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "transport/buffers.h"
#include "transport/tcp/tcp_protocol.h"

namespace thinwire {

class Assembly {
 public:
  // `most_bytes`: of all messages that are not complete.
  explicit Assembly(size_t most_bytes = size_t{4} << 30) : most_bytes_(most_bytes) {}

  // Where the bytes of a piece belong; valid until Finish. Empty where it doesn't fit its message
  // or the bound. REQUIRES: `piece` is kData as ParseMessageHead returns it.
  std::optional<std::span<std::byte>> Begin(const MessageHead& piece);
  // All bytes of a piece are there; the message if it is complete, else null.
  std::unique_ptr<OwnedBuffer> Finish(const MessageHead& piece);

 private:
  struct Partial {
    std::unique_ptr<OwnedBuffer> buffer;
    size_t begun = 0;     // bytes of pieces that have begun
    size_t finished = 0;  // and are there
  };
  const size_t most_bytes_;
  size_t bytes_ = 0;
  std::map<uint64_t, Partial> partial_;  // by number
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TCP_ASSEMBLY_H_
