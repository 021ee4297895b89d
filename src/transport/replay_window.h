// SPDX-License-Identifier: Apache-2.0
//
// Which message numbers of one sender were taken already: each is taken once, in nearly any order.
// Layer: transport.

#ifndef THINWIRE_TRANSPORT_REPLAY_WINDOW_H_
#define THINWIRE_TRANSPORT_REPLAY_WINDOW_H_

#include <cstdint>
#include <vector>

namespace thinwire {

class ReplayWindow {
 public:
  // How far a message may fall behind later ones and still be taken. On 250 ms and 25 Gbit/s some
  // 6000 segments of 128 KiB are under way, over however many flows.
  static constexpr uint64_t kNumbers = 65536;

  // Whether `number` was not taken yet and isn't older than the window tells.
  bool IsFresh(uint64_t number) const {
    if (number >= next_) return true;
    return next_ - number <= kNumbers && !taken_[number % kNumbers];
  }

  // REQUIRES: IsFresh(number), and that its message was found genuine.
  void Take(uint64_t number) {
    if (number >= next_ && number - next_ >= kNumbers) {
      taken_.assign(kNumbers, false);
      next_ = number;
    }
    for (; next_ <= number; ++next_) taken_[next_ % kNumbers] = false;
    taken_[number % kNumbers] = true;
  }

 private:
  std::vector<bool> taken_ = std::vector<bool>(kNumbers);
  uint64_t next_ = 0;  // the highest number taken, plus one
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_REPLAY_WINDOW_H_
