// SPDX-License-Identifier: Apache-2.0
//
// Carrier: the Thinwire communicator beside one of MPI's. It is made at the first call that it may
// carry, hangs at the MPI communicator as an attribute, and goes with it, or when MPI ends.
//
// A thread of its own, there from the first non-blocking call on, waits for these and completes
// their requests. Such a call must return though other ranks come late, so when it is the first of
// all, that thread makes the Thinwire communicator, and calls queue up until it is there.

#ifndef THINWIRE_MPI_PRELOAD_CARRIER_H_
#define THINWIRE_MPI_PRELOAD_CARRIER_H_

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/status.h"
#include "mpi_preload/below.h"
#include "mpi_preload/carried_call.h"
#include "thinwire/thinwire.h"

namespace thinwire {

class Carrier {
 public:
  // What carries calls on `comm`; null: they pass through, since other ranks are in it, or in
  // another order, than in MPI_COMM_WORLD. Ranks call it first for the same collective call.
  static Carrier* Of(MPI_Comm comm);
  // All ranks at once: what carries calls on `comm` is there when this returns.
  static void OpenEarly(MPI_Comm comm);
  // Ends all there are.
  static void CloseAll();

  explicit Carrier(MPI_Comm comm);
  ~Carrier();

  // Runs a call to its end; or starts it and gives a request. An error of MPI, after the
  // communicator's error handler.
  int Run(CarriedCall* call);
  int Start(std::unique_ptr<CarriedCall> call, MPI_Request* request);

 private:
  struct Started;  // a call with a request

  Status Join();
  bool AllJoined(bool joined) const;
  void Open();
  void Issue(CarriedCall* call);
  void Finish(CarriedCall* call);
  void Work();
  void LogWhatWasCarried() const;

  static int Query(void* started, MPI_Status* status);
  static int Free(void* started);
  static int Cancel(void* started, int complete);

  const std::shared_ptr<MPI_Comm> comm_;  // null from the end of this on
  struct Opening {
    thinwireUniqueId id;
    int number = 0;  // of communicators that rank 0 has opened
    int made = 0;
  } opening_;  // rank 0's, on its way to all
  MPI_Request spread_ = MPI_REQUEST_NULL;
  thinwireComm_t thinwire_ = nullptr;
  MPI_Comm below_ = MPI_COMM_NULL;  // takes the calls where there is no thinwire_

  std::mutex mutex_;
  std::condition_variable wake_;
  bool open_ = false;
  bool closing_ = false;
  std::deque<Started*> queue_;  // in the order of issue; the first is being waited for
  std::thread thread_;
};

}  // namespace thinwire

#endif  // THINWIRE_MPI_PRELOAD_CARRIER_H_
