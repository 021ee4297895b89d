// SPDX-License-Identifier: Apache-2.0
//
// Messages that a decorator has received and releases later, each at its time. Layer: transport.

#ifndef THINWIRE_TRANSPORT_HELD_MESSAGES_H_
#define THINWIRE_TRANSPORT_HELD_MESSAGES_H_

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "transport/transport.h"

namespace thinwire {

class HeldMessages {
 public:
  void Hold(TimePoint due, Message message) { held_.emplace(due, std::move(message)); }

  // Appends what is due, in the order of the times; returns whether anything was.
  bool Release(TimePoint now, std::vector<Message>* released) {
    const auto end = held_.upper_bound(now);
    const bool any = held_.begin() != end;
    for (auto i = held_.begin(); i != end; ++i) released->push_back(std::move(i->second));
    held_.erase(held_.begin(), end);
    return any;
  }

  // When the next one is due; TimePoint::max() when none is held.
  TimePoint next() const { return held_.empty() ? TimePoint::max() : held_.begin()->first; }

  bool HoldsFrom(int source) const {
    return std::any_of(held_.begin(), held_.end(),
                       [source](const auto& entry) { return entry.second.source() == source; });
  }

 private:
  std::multimap<TimePoint, Message> held_;
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_HELD_MESSAGES_H_
