// SPDX-License-Identifier: Apache-2.0
//
// Communicators through the C API: settings as text, ranks as threads.

#ifndef THINWIRE_TESTS_SUPPORT_C_MEMBER_H_
#define THINWIRE_TESTS_SUPPORT_C_MEMBER_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/member.h"
#include "thinwire/thinwire.h"

namespace thinwire {

// A thinwireConfig_t that owns its texts.
struct Settings {
  std::string transport = "loopback";
  std::string policy;
  std::string link;
  std::string shape;
  double timeout_seconds = 60;
  double silence_seconds = 20;
  double connect_timeout_seconds = 60;
  bool measure_error = false;
  std::string device = "host";
  std::string sites;
  std::string survival;

  thinwireConfig_t config() const {
    thinwireConfig_t config = THINWIRE_CONFIG_INITIALIZER;
    config.transport = transport.c_str();
    config.policy = policy.c_str();
    config.link = link.c_str();
    config.shape = shape.c_str();
    config.timeoutSeconds = timeout_seconds;
    config.silenceSeconds = silence_seconds;
    config.connectTimeoutSeconds = connect_timeout_seconds;
    config.measureError = measure_error ? 1 : 0;
    config.device = device.c_str();
    config.sites = sites.c_str();
    config.survival = survival.c_str();
    return config;
  }
};

inline Status ToStatus(thinwireResult_t result) {
  if (result == thinwireSuccess) return {};
  return Status(static_cast<Code>(result), thinwireGetLastError(nullptr));
}

// All ranks of a communicator; destroyed together when it goes.
class Comms {
 public:
  Comms(int ranks, const Settings& settings) : comms_(static_cast<size_t>(ranks), nullptr) {
    const thinwireConfig_t config = settings.config();
    const Status made = ToStatus(thinwireCommInitAll(comms_.data(), ranks, &config));
    EXPECT_TRUE(made.ok()) << made.message();
  }
  ~Comms() {
    OnThreads(size(), [this](int rank) { thinwireCommDestroy(Release(rank)); });
  }
  Comms(const Comms&) = delete;
  Comms& operator=(const Comms&) = delete;

  int size() const { return static_cast<int>(comms_.size()); }
  thinwireComm_t operator[](int rank) const { return comms_[static_cast<size_t>(rank)]; }
  // The caller destroys or aborts it.
  thinwireComm_t Release(int rank) {
    return std::exchange(comms_[static_cast<size_t>(rank)], nullptr);
  }
  void OnRanks(const std::function<void(int rank, thinwireComm_t comm)>& body) {
    OnThreads(size(), [&](int rank) { body(rank, (*this)[rank]); });
  }

 private:
  std::vector<thinwireComm_t> comms_;
};

class CMember : public Member {
 public:
  explicit CMember(thinwireComm_t comm) : comm_(comm) {
    thinwireCommUserRank(comm, &rank_);
    thinwireCommCount(comm, &ranks_);
  }
  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }

  Status RunTogether(const std::vector<Part>& parts) override {
    if (parts.size() == 1) return Issue(parts.front());
    TW_TRY(ToStatus(thinwireGroupStart()));
    for (const Part& part : parts) static_cast<void>(Issue(part));  // End reports the refusal
    return ToStatus(thinwireGroupEnd());
  }

 protected:
  // What stopped the communicator.
  Status AsyncError() {
    thinwireResult_t error = thinwireSuccess;
    TW_TRY(ToStatus(thinwireCommGetAsyncError(comm_, &error)));
    if (error == thinwireSuccess) return {};
    return Status(static_cast<Code>(error), thinwireGetLastError(comm_));
  }
  virtual void* stream() { return nullptr; }

 private:
  Status Issue(const Part& part) {
    const Op& op = part.op;
    const std::string policy = fmt::format(
        "* >=0: {}{}", op.codec,
        op.algorithm == Algorithm::kAuto ? "" : fmt::format(" algo={}", NameOf(op.algorithm)));
    thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
    options.policy = policy.c_str();
    options.stream = stream();
    const auto dtype = static_cast<thinwireDataType_t>(op.dtype);
    const auto reduction = static_cast<thinwireRedOp_t>(op.reduction);
    return ToStatus([&] {
      switch (op.operation) {
        case Operation::kBarrier:
          return thinwireBarrier(comm_, &options);
        case Operation::kAllReduce:
          return thinwireAllReduce(part.send, part.recv, op.count, dtype, reduction, comm_,
                                   &options);
        case Operation::kReduceScatter:
          return thinwireReduceScatter(part.send, part.recv, op.count, dtype, reduction, comm_,
                                       &options);
        case Operation::kAllGather:
          return thinwireAllGather(part.send, part.recv, op.count, dtype, comm_, &options);
        case Operation::kAllToAll:
          return thinwireAllToAll(part.send, part.recv, op.count, dtype, comm_, &options);
        case Operation::kBroadcast:
          return thinwireBroadcast(part.send, part.recv, op.count, dtype, op.root, comm_, &options);
        case Operation::kReduce:
          return thinwireReduce(part.send, part.recv, op.count, dtype, reduction, op.root, comm_,
                                &options);
        case Operation::kSend:
          return thinwireSend(part.send, op.count, dtype, op.root, comm_, &options);
        case Operation::kRecv:
          return thinwireRecv(part.recv, op.count, dtype, op.root, comm_, &options);
      }
      return thinwireInternalError;
    }());
  }

  thinwireComm_t comm_;
  int rank_ = -1;
  int ranks_ = 0;
};

inline RunMembers MembersOf(const Settings& settings) {
  return [settings](int ranks, const std::function<void(Member&)>& body) {
    Comms comms(ranks, settings);
    if (comms[0] == nullptr) return;
    comms.OnRanks([&](int, thinwireComm_t comm) {
      CMember member(comm);
      body(member);
    });
  };
}

inline Settings Over(const std::string& transport) {
  Settings settings;
  settings.transport = transport;
  return settings;
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_SUPPORT_C_MEMBER_H_
