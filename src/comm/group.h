// SPDX-License-Identifier: Apache-2.0
//
// Group: the calls between GroupStart and GroupEnd of one thread, and what every single call is
// too: a group of one. Either operations, or jobs that make communicators and the like. All state
// is the calling thread's own.

#ifndef THINWIRE_COMM_GROUP_H_
#define THINWIRE_COMM_GROUP_H_

#include <memory>
#include <vector>

#include "base/status.h"
#include "comm/communicator.h"
#include "comm/job.h"

namespace thinwire {

class Group {
 public:
  // The calling thread's.
  static Group& Current();

  void Start() { ++depth_; }
  bool open() const { return depth_ > 0; }

  // In an open group: checks and keeps the call, to run at End. Else: runs it to its end, or starts
  // it if `request` is set or its buffers are a device's. *request is set only on success.
  Status Issue(const std::shared_ptr<Communicator>& communicator, Call call,
               std::unique_ptr<Pending>* request);
  // In an open group: keeps the job, to run at End. Else: runs it to its end or, where it doesn't
  // block, on another thread (kInProgress). Those of one `owner` run one after another.
  Status Issue(std::shared_ptr<Job> job, const void* owner, bool blocking);
  // A call that the API refused before it became a Call: the group must not run without it.
  Status Refuse(Status status);

  // Ends the innermost group; the outermost runs all calls and returns the first error.
  Status End();
  // End, without running anything: how long the operations would take (Communicator::Predict).
  Result<double> EndByPredicting();

 private:
  struct Entry {
    std::shared_ptr<Communicator> communicator;
    Collective collective;
    void* stream;
    std::unique_ptr<Pending>* request;
    Hierarchy* hierarchy = nullptr;  // the collective is the middle step of `whole`
    Call whole = {};
  };
  // The call as an entry: as it is, or as the part of it that crosses sites.
  static Result<Entry> EntryOf(const std::shared_ptr<Communicator>& communicator, const Call& call,
                               std::unique_ptr<Pending>* request);
  struct Begun {
    std::shared_ptr<Job> job;
    const void* owner;
    bool blocking;
  };
  // Of communicators with a survival policy.
  struct Surviving {
    std::shared_ptr<Communicator> communicator;
    Call call;
  };
  Status IssueSurviving(const std::shared_ptr<Communicator>& communicator, const Call& call,
                        bool returns_at_once);
  Status Run();
  Status RunEntries();
  Status RunSurviving();
  Status RunJobs();
  // Forgets what the group holds, whose requests end so.
  void Drop(const Status& why);
  // Puts the calls on devices into the order of their streams.
  static Status EnterStreams(std::vector<Entry>* entries);
  static Status JoinStreams(std::vector<Entry>* entries);

  int depth_ = 0;
  Status refused_;
  std::vector<Entry> entries_;
  std::vector<Surviving> surviving_;
  std::vector<Begun> jobs_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_GROUP_H_
