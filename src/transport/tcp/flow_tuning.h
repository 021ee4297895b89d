// SPDX-License-Identifier: Apache-2.0
//
// How the tcp transport sets its sockets, and what the kernel tells of them. Layer: transport.

#ifndef THINWIRE_TRANSPORT_TCP_FLOW_TUNING_H_
#define THINWIRE_TRANSPORT_TCP_FLOW_TUNING_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "transport/transport.h"

namespace thinwire {

class FlowTuning {
 public:
  // Asks the system what it grants. kInvalidArgument where the wanted congestion control is not
  // there, naming those that are.
  static Result<FlowTuning> Choose(const TransportOptions& options);

  void Apply(int fd) const;
  // Has BBR begin anew with the window it has; nothing for other congestion controls.
  void Renew(int fd) const;
  const std::string& congestion() const { return congestion_; }
  // Whether a lost packet halves (or nearly) what a flow has under way, as with cubic and reno, so
  // that more flows carry more on a path with losses.
  bool slowed_by_loss() const { return !congestion_.starts_with("bbr"); }

 private:
  std::string congestion_;
  double silence_seconds_ = 0;
  int send_buffer_ = 0;  // 0: the system's own tuning reaches further
  int receive_buffer_ = 0;
};

// The socket takes no more while so many bytes wait in it to be sent for the first time.
void LimitUnsent(int fd, size_t bytes);

// TCP_INFO of one flow since it was opened; zeros where the kernel doesn't tell.
struct FlowFigures {
  double round_trip_seconds = 0;           // smoothed
  double shortest_round_trip_seconds = 0;  // of the last minutes
  double delivery_rate = 0;                // bytes a second, as last seen while data was waiting
  uint64_t acknowledged_bytes = 0;
  uint64_t sent_packets = 0;  // with data, those sent again included
  uint64_t sent_again_packets = 0;
};
FlowFigures ReadFigures(int fd);

// Bytes that were written to the socket and are not acknowledged.
size_t Unacknowledged(int fd);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TCP_FLOW_TUNING_H_
