// SPDX-License-Identifier: Apache-2.0
//
// The pure part of measuring links: who is measured in which order, and what the findings of all
// ranks say together.

#ifndef THINWIRE_COLLECTIVE_LINK_SURVEY_H_
#define THINWIRE_COLLECTIVE_LINK_SURVEY_H_

#include <cstddef>
#include <span>
#include <vector>

#include "base/status.h"
#include "collective/link_model.h"

namespace thinwire {

// What a rank found out about one peer; 0: nothing. Binary32, as it travels.
struct Finding {
  float rate = 0;   // from the peer to this rank, bytes a second on the wire; negative: at least
  float delay = 0;  // half the shortest round trip, seconds
  float loss = 0;   // from this rank to the peer
  bool operator==(const Finding&) const = default;
};
using Findings = std::vector<Finding>;  // by peer

// The peers from which a rank takes a train, in order. In each place of the order every rank has
// another one: so a host sends one train and receives one at a time. Any first part of the order is
// spread over the ranks, should there be no time for the rest.
std::vector<int> SurveyOrder(int rank, int ranks);

// The model that all ranks' findings give: the same bits from the same findings. Rates that nobody
// measured are taken from the measured pair whose ends are nearest, by delay, to those of the pair
// in question, and are bounded by what the pair's own hosts were measured to send and receive.
// Where only a lower bound is known, as of a train that lost packets, the rate is at least that.
LinkModel ModelOf(const std::vector<Findings>& findings);

// What a segment aims at where nobody said it: so many bytes as the slowest link carries in 1.5 ms,
// from 16 KiB to 256 KiB, in whole 4 KiB; 128 KiB where no rate is known.
size_t SegmentBytesFor(const LinkModel& links);

// Findings as bytes and back; kRemote if they are not those of `ranks` ranks.
std::vector<std::byte> PackFindings(const Findings& findings);
Result<Findings> UnpackFindings(std::span<const std::byte> bytes, int ranks);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_LINK_SURVEY_H_
