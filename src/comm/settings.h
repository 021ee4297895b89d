// SPDX-License-Identifier: Apache-2.0
//
// SharedSettings: what ranks tell each other before they connect: each its address, and rank 0 what
// all must agree on for their plans to be equal.

#ifndef THINWIRE_COMM_SETTINGS_H_
#define THINWIRE_COMM_SETTINGS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/status.h"

namespace thinwire {

// In place of the text of a LinkModel: it is to be measured.
inline constexpr std::string_view kMeasureLinks = "measure";

struct SharedSettings {
  std::string address;        // of the transport
  std::string meeting_place;  // MeetingPlaces::own
  std::string link;           // Env::link, inlined: text of a LinkModel, or kMeasureLinks
  std::string survival;       // Env::survival
  uint64_t hand_over = 0;     // Env::hand_over of an exact policy: 1 without a device, 2 with one
  uint64_t segment_bytes = 0;
  // Random: tells apart the communicators that a job makes one after another from one unique id or
  // from the same variables, so that a late frame of an earlier one is turned away.
  uint32_t epoch = 0;

  // `transport`: its name. Over loopback there is nothing to measure.
  static Result<SharedSettings> FromEnv(const Env& env, const std::string& transport);

  std::string Pack() const;
  static Result<SharedSettings> Unpack(const std::string& blob);
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_SETTINGS_H_
