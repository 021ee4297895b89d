// SPDX-License-Identifier: Apache-2.0
//
// Liveness: what one rank knows of one peer's being alive, and how long that peer may be silent
// before it counts as lost. Pure arithmetic on times and bytes; the engine owns and asks it. One
// thread.
//
// Who has nothing to say sends a heartbeat, so on a quick link the longest silence of a peer that
// lives is one heartbeat apart. On a slow one it is the time that one frame takes to come through:
//   allowance = silence + 2 * largest frame / lowest rate at which the peer's frames may come
// (docs/design/013-failure-detection.md).

#ifndef THINWIRE_COLLECTIVE_LIVENESS_H_
#define THINWIRE_COLLECTIVE_LIVENESS_H_

#include <cstddef>

#include "base/clock.h"

namespace thinwire {

// How often a rank speaks that has nothing to say, where `silence_seconds` is what peers allow.
double HeartbeatSeconds(double silence_seconds);

class Liveness {
 public:
  // `expected_rate`: bytes a second at which the peer's frames come at worst, as far as the links
  // are known; 0: unknown.
  Liveness(double silence_seconds, double expected_rate, TimePoint now);

  // A frame of so many bytes came, or was handed to the transport.
  void Hear(size_t frame_bytes, TimePoint now);
  void Speak(TimePoint now) { spoken_ = now; }
  // Silence so far is not the peer's fault.
  void Forgive(TimePoint now) { heard_ = now; }

  bool HeartbeatIsDue(TimePoint now) const;
  double SilentSeconds(TimePoint now) const { return ToSeconds(now - heard_); }
  // How long the peer may be silent where frames are at most so large.
  double AllowedSeconds(size_t largest_frame_bytes, TimePoint now) const;
  // What of that is for the link being slow.
  double SlownessSeconds(size_t largest_frame_bytes, TimePoint now) const;

 private:
  double silence_seconds_;
  double expected_rate_;
  double measured_rate_ = 0;  // of the last frame that took longer than heartbeats are apart; or 0
  TimePoint measured_;
  TimePoint heard_;
  TimePoint spoken_;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_LIVENESS_H_
