// SPDX-License-Identifier: Apache-2.0
//
// Attendance: who comes to a call in time. Every rank tells rank 0 that it is there; rank 0 waits
// for all, or from the time that is allowed on for as many as must be, and tells everyone who is
// late. Two hops, on a communicator of their own, where a message of a late rank may wait for
// calls that others have long ended.

#ifndef THINWIRE_COMM_ATTENDANCE_H_
#define THINWIRE_COMM_ATTENDANCE_H_

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "base/status.h"
#include "comm/communicator.h"
#include "comm/survival_policy.h"

namespace thinwire {

class Attendance {
 public:
  // All ranks of `whole` call it.
  static Result<std::unique_ptr<Attendance>> Make(Communicator* whole,
                                                  const SurvivalPolicy& policy);

  // The ranks, ascending, that are late to the call that every rank makes next; rank 0 never is.
  Result<std::vector<int>> Late();

  Status error() const { return apart_->error(); }
  void Abort(const std::string& why) { apart_->Abort(why); }
  void Close() { apart_->Close(); }

 private:
  struct Note {
    std::vector<uint8_t> bytes;
    Pending pending;
  };
  Attendance(std::shared_ptr<Communicator> apart, const SurvivalPolicy& policy)
      : apart_(std::move(apart)), policy_(policy) {}

  // Begins to send or receive a note, which stays in notes_ until it has ended.
  Result<Note*> Begin(Operation operation, int peer, std::vector<uint8_t> bytes);
  Result<std::vector<uint8_t>> Gather();
  void ForgetEnded();

  const std::shared_ptr<Communicator> apart_;
  const SurvivalPolicy policy_;
  std::list<Note> notes_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_ATTENDANCE_H_
