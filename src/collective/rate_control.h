// SPDX-License-Identifier: Apache-2.0
//
// RateControl: learns from traffic how fast a host may inject, so that a rate that was measured too
// low doesn't throttle for ever and one that was too high doesn't flood. Pure arithmetic on times
// and bytes; the engine owns and asks it, and hands its rates to the Pacer. One thread.
//
// A peer that was sent data gets a ping now and then. Its answer tells two things: the round trip,
// whose excess over the shortest is the queue on the way, and how many bytes had come, hence the
// rate at which they came. The rules, for each peer and for the uplink to all of them:
//  - The queue was long for two seconds: all the while the link was busy, and carries no more than
//    what came at best. The rate falls to that, by half at most. (What is shorter may be a flow
//    that probes or recovers, or a processor with something else to do.)
//  - The queue was short and the rate was used up at several pings in a row: the rate rises by
//    1/16, the next time by 1/8, then by 1/4. If a queue comes with it, it goes back to where it
//    was, and waits twice as long before it rises again. A lower bound doubles until then, and goes
//    back by halves.
//  - Queues of near paths may never get long. There a rate is used up where as much comes, and a
//  bound
//    that doubled to what doesn't come at several pings in a row goes back to the most that came.
//  - A ping's round trip is long too where packets are lost and sent again, so a transport's own
//    figure goes before it. A rate lower than in the beginning is tried again after a while,
//    whatever the queue, and none that was measured falls below a quarter of that.
// The loss is that of the last many thousand packets: what a rate that is too high loses at the
// start doesn't count for ever.
// docs/design/003-pacing.md has the reasons.

#ifndef THINWIRE_COLLECTIVE_RATE_CONTROL_H_
#define THINWIRE_COLLECTIVE_RATE_CONTROL_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "collective/link_model.h"
#include "transport/transport.h"

namespace thinwire {

// Above this rate processors are the limit rather than the wire: what was measured is not paced.
inline constexpr double kMostPacedRate = 4e9 / 8;

class RateControl {
 public:
  // Rates that were given stay, and losses: who states a rate wants no more, and knows better than
  // a busy moment.
  RateControl(const LinkModel& links, int rank);

  // Notes that data went to a peer.
  void Sent(int peer, size_t bytes);
  // The peers that should be pinged now.
  std::vector<int> DuePings(TimePoint now);

  struct Pong {
    TimePoint pinged;
    uint64_t received = 0;    // bytes of data that had come by then
    int64_t nanoseconds = 0;  // when the ping came, by the peer's clock
    PathFigures path = {};    // what the transport tells of the way there
  };
  // True if a rate changed.
  bool TakePong(int peer, const Pong& pong, TimePoint now);

  // Bytes a second on the wire; 0: not paced.
  double uplink() const { return uplink_.rate; }
  double rate(int peer) const { return peers_[static_cast<size_t>(peer)].lane.rate; }
  // Half the shortest round trip of late; 0: not known.
  double delay(int peer) const;
  // Part of the packets that are lost of late.
  double loss(int peer) const { return peers_[static_cast<size_t>(peer)].loss; }

 private:
  enum class Queue : uint8_t { kShort, kFair, kLong };
  // What is seen of a lane between two pings.
  struct Load {
    double offered;    // bytes a second of frames sent ...
    double delivered;  // ... and received
    Queue queue;
    bool full;  // the queue is long, and this lane's own
    bool near;
  };
  // Something that has a rate: the way to a peer, or the uplink.
  struct Lane {
    double rate = 0;
    double began = 0;  // the rate at the start
    double ceiling = std::numeric_limits<double>::infinity();
    double floor = 0;
    int calm = 0;             // times in a row that the queue was short and the rate used up
    int doubts = 0;           // times in a row that there was a queue while on trial
    int steady = 0;           // times since the rate changed
    int setbacks = 0;         // times that it fell since a rise stood its trial
    bool slow_start = false;  // the rate is a lower bound, and has not fallen yet
    double step = 0;
    double trusted = 0;                       // to which a rise on trial goes back; 0: no trial
    TimePoint full_since = TimePoint::max();  // the queue is long; max: it is not
    double carried = 0;                       // bytes a second delivered since then, at best
    double best = 0;                          // bytes a second delivered since it rose, at best
    int unreached = 0;                        // times in a row that this was less than the rate
    bool on_trial() const { return trusted > 0; }
    // No reason against a higher rate. What doubles soon makes a queue that is beyond doubt.
    bool Calm(Queue queue) const {
      return slow_start ? queue != Queue::kLong : queue == Queue::kShort;
    }
    // True if the rate changed.
    bool Judge(const Load& load, TimePoint now);
    bool UsedUp(const Load& load) const;
    bool Rises(const Load& load);
    bool StepsBack(Queue queue);
    bool IsBeyond(const Load& load);
    bool Falls(const Load& load, TimePoint now);
    void FallTo(double lower);
  };
  // What was known when a ping was answered.
  struct Reading {
    TimePoint pinged{};
    uint64_t sent = 0;  // handed to the transport before the ping
    uint64_t received = 0;
    int64_t nanoseconds = 0;
  };
  struct Peer {
    Lane lane;
    uint64_t sent = 0;
    uint64_t sent_at_ping = 0;
    TimePoint pinged{};
    bool awaited = false;  // a ping is under way
    bool answered = false;
    Reading last;
    Queue queue = Queue::kFair;
    double offered = 0;    // bytes a second of frames between the last two readings, sent ...
    double delivered = 0;  // ... and received
    // The shortest round trips of this half minute and of the one before.
    double shortest = std::numeric_limits<double>::infinity();
    double shortest_before = std::numeric_limits<double>::infinity();
    TimePoint since{};
    double loss = 0;
    bool loss_given = false;
    std::optional<PathFigures> loss_since;  // until so many packets are sent that they tell
    double Shortest() const;
    bool active() const { return offered > 0; }
  };

  Peer& peer(int rank) { return peers_[static_cast<size_t>(rank)]; }
  static void NoteLoss(Peer* from, const PathFigures& path);
  static void NoteRoundTrip(Peer* from, double seconds, TimePoint now);
  static Queue QueueAt(double seconds, double shortest_round_trip);
  bool InCommon() const;
  bool JudgeUplink(TimePoint now);

  Lane uplink_;
  std::vector<Peer> peers_;
  size_t answers_ = 0;  // of active peers, since the uplink was judged
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_RATE_CONTROL_H_
