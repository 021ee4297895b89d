// SPDX-License-Identifier: Apache-2.0
//
// ShapedTransport: makes the transport it wraps behave like a slow, long link, within one machine.
// Layer: transport. Threads: as the inner transport's. All ranks must be shaped, with equal
// options.
//
// The model. A message of b bytes takes w = b + overhead * ceil(b / payload) bytes on the wire. It
// leaves when the sender's uplink, and then the pair's own link, have carried what was sent before
// it and its w bytes; it travels for the pair's delay; it is delivered when the receiver's downlink
// has carried what arrived before it and its w bytes. The three overlap, as packets of one message
// do: alone on an idle link it takes delay + w / (the slowest of the three rates).
//
// A Send is done when all but `send_buffer` bytes of what its pair has to carry have left: the rest
// lies in the socket's buffer, as on a real link.

#ifndef THINWIRE_TRANSPORT_SHAPED_TRANSPORT_H_
#define THINWIRE_TRANSPORT_SHAPED_TRANSPORT_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "transport/transport.h"

namespace thinwire {

struct ShapedLink {
  double bytes_per_second = 0;  // 0: infinite
  Duration delay{0};            // one way
};

struct ShapeOptions {
  int ranks = 0;
  std::vector<ShapedLink> links;  // ranks x ranks: links[from * ranks + to]

  // Bytes per second of each rank's host, 0 infinite. Empty: the fastest of the rank's links.
  std::vector<double> uplinks;
  std::vector<double> downlinks;

  size_t packet_payload = 1448;  // TCP over IPv4 at an MTU of 1500, with timestamps
  size_t packet_overhead = 52;   // headers of each packet; 0: the rates are goodput
  size_t send_buffer = size_t{4} << 20;
};

// The same link between all pairs.
ShapeOptions UniformShape(int ranks, ShapedLink link);

// Bytes on the wire of a message, headers included.
size_t WireBytes(const ShapeOptions& options, size_t bytes);

Result<std::unique_ptr<Transport>> MakeShapedTransport(std::unique_ptr<Transport> inner,
                                                       ShapeOptions options);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_SHAPED_TRANSPORT_H_
