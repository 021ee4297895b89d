// SPDX-License-Identifier: Apache-2.0
//
// Codecs that keep state, through the collectives: it advances when calls end well, stays when they
// fail, is saved and restored, and two ends that are out of step find each other again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <latch>
#include <random>
#include <string>
#include <vector>

#include "support/c_member.h"

namespace thinwire {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kCount = 70'001;  // several segments, the last one short

std::vector<float> Noise(uint32_t seed, size_t count = kCount) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& x : values) x = normal(random);
  return values;
}

double RelativeError(const std::vector<float>& want, const std::vector<float>& got) {
  double error = 0, energy = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += (want[i] - got[i]) * (want[i] - got[i]);
    energy += want[i] * want[i];
  }
  return std::sqrt(error / energy);
}

struct CallOptions {
  explicit CallOptions(const std::string& policy, uint64_t key = 1) : policy_(policy) {
    options.policy = policy_.c_str();
    options.key = key;
  }
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;

 private:
  std::string policy_;
};

Status AllReduce(thinwireComm_t comm, const std::vector<float>& in, std::vector<float>* out,
                 const CallOptions& call, thinwireRedOp_t op = thinwireAvg) {
  out->resize(in.size());
  return ToStatus(thinwireAllReduce(in.data(), out->data(), in.size(), thinwireFloat32, op, comm,
                                    &call.options));
}

// The state of a rank as thinwireStateSave writes it.
std::string Saved(thinwireComm_t comm) {
  std::string stream;
  const Status saved = ToStatus(thinwireStateSave(
      comm,
      [](void* context, const void* data, size_t bytes) {
        static_cast<std::string*>(context)->append(static_cast<const char*>(data), bytes);
        return thinwireSuccess;
      },
      &stream));
  EXPECT_TRUE(saved.ok()) << saved.message();
  return stream;
}

Status Restore(thinwireComm_t comm, const std::string& stream) {
  struct Reader {
    const std::string& stream;
    size_t at = 0;
  } reader{stream};
  return ToStatus(thinwireStateRestore(
      comm,
      [](void* context, void* data, size_t bytes) {
        auto& from = *static_cast<Reader*>(context);
        if (from.stream.size() - from.at < bytes) return thinwireSystemError;
        std::memcpy(data, from.stream.data() + from.at, bytes);
        from.at += bytes;
        return thinwireSuccess;
      },
      &reader));
}

// ---- Error feedback ----

struct FeedbackCase {
  const char* codec;
  const char* algorithm;
};
class FeedbackTest : public testing::TestWithParam<FeedbackCase> {};
INSTANTIATE_TEST_SUITE_P(
    Codecs, FeedbackTest,
    testing::Values(FeedbackCase{"q8", "sra"}, FeedbackCase{"bf16", "one-shot"},
                    FeedbackCase{"q8", "ring"}, FeedbackCase{"q8", "grid"},
                    FeedbackCase{"q8", "double-tree"}, FeedbackCase{"q8", "halving-doubling"}),
    [](const auto& instance) {
      std::string name = fmt::format("{}_{}", instance.param.codec, instance.param.algorithm);
      std::replace_if(
          name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });

// What one call drops, later ones send: the sum over the calls is right to within one call's error,
// while without feedback the error of every call adds up.
TEST_P(FeedbackTest, WhatOneCallDropsLaterOnesSend) {
  constexpr int kSteps = 20;
  for (const bool feedback : {true, false}) {
    const CallOptions call(fmt::format("all_reduce >=0: {}{} algo={}", GetParam().codec,
                                       feedback ? "+ef" : "", GetParam().algorithm));
    Comms comms(3, Settings{});
    comms.OnRanks([&](int rank, thinwireComm_t comm) {
      const std::vector<float> input = Noise(static_cast<uint32_t>(rank) + 1);
      std::vector<double> sums(kCount);
      std::vector<float> output;
      double first = 0;
      std::vector<float> want(kCount);
      for (uint32_t r = 1; r <= 3; ++r) {
        const std::vector<float> other = Noise(r);
        for (size_t i = 0; i < kCount; ++i) want[i] += other[i] / 3;
      }
      for (int step = 0; step < kSteps; ++step) {
        const Status status = AllReduce(comm, input, &output, call);
        ASSERT_TRUE(status.ok()) << status.message();
        if (step == 0) first = RelativeError(want, output);
        for (size_t i = 0; i < kCount; ++i) sums[i] += output[i];
      }
      std::vector<float> mean(kCount);
      for (size_t i = 0; i < kCount; ++i) mean[i] = static_cast<float>(sums[i] / kSteps);
      const double error = RelativeError(want, mean);
      if (feedback) {
        EXPECT_LT(error, 0.35 * first);
      } else {
        EXPECT_GT(error, 0.9 * first);
      }
    });
  }
}

TEST(StateTest, KeysKeepApartWhatTheyKeep) {
  Comms comms(2, Settings{});
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const std::vector<float> a = Noise(static_cast<uint32_t>(rank) + 1);
    std::vector<float> first, again, other;
    const std::string policy = "all_reduce: q8+ef";
    ASSERT_TRUE(AllReduce(comm, a, &first, CallOptions(policy, 1)).ok());
    ASSERT_TRUE(AllReduce(comm, a, &other, CallOptions(policy, 2)).ok());
    EXPECT_EQ(first, other) << "a first visit";
    ASSERT_TRUE(AllReduce(comm, a, &again, CallOptions(policy, 1)).ok());
    EXPECT_NE(first, again);
    ASSERT_TRUE(ToStatus(thinwireStateForget(comm, 1)).ok());
    ASSERT_TRUE(AllReduce(comm, a, &again, CallOptions(policy, 1)).ok());
    EXPECT_EQ(first, again) << "forgotten";
  });
}

TEST(StateTest, NamesOfTensorsAreKeysForThoseWithoutOne) {
  Comms comms(2, Settings{});
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const std::vector<float> a = Noise(static_cast<uint32_t>(rank) + 1);
    std::vector<float> first, second, third;
    CallOptions call("all_reduce: q8+ef", THINWIRE_NO_KEY);
    call.options.tensor = "layers.1.weight";
    ASSERT_TRUE(AllReduce(comm, a, &first, call).ok());
    ASSERT_TRUE(AllReduce(comm, a, &second, call).ok());
    EXPECT_NE(first, second);
    call.options.tensor = "layers.2.weight";
    ASSERT_TRUE(AllReduce(comm, a, &third, call).ok());
    EXPECT_EQ(first, third);
  });
}

TEST(StateTest, WithoutAKeyPoliciesStayExactAndCallsAreRefused) {
  Settings settings;
  settings.policy = "q8+ef";
  Comms comms(2, settings);
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const std::vector<float> a = Noise(static_cast<uint32_t>(rank) + 1);
    std::vector<float> out(a.size());
    ASSERT_EQ(thinwireAllReduce(a.data(), out.data(), a.size(), thinwireFloat32, thinwireSum, comm,
                                nullptr),
              thinwireSuccess);
    thinwireStatistics_t statistics{};
    statistics.size = sizeof(statistics);
    ASSERT_EQ(thinwireCommGetStatistics(comm, thinwireOpAllReduce, &statistics), thinwireSuccess);
    EXPECT_STREQ(statistics.codec, "raw");
    const Status refused =
        AllReduce(comm, a, &out, CallOptions("all_reduce: q8+ef", THINWIRE_NO_KEY));
    EXPECT_EQ(refused.code(), Code::kInvalidArgument);
    EXPECT_THAT(refused.message(), AllOf(HasSubstr("q8+ef keeps state"), HasSubstr("key")));
  });
}

TEST(StateTest, RanksThatDifferInKeyOrSpecAreTold) {
  const auto expect = [](const CallOptions& first, const CallOptions& second, const char* text) {
    Settings settings;
    settings.timeout_seconds = 5;
    Comms comms(2, settings);
    comms.OnRanks([&](int rank, thinwireComm_t comm) {
      std::vector<float> out;
      const Status status = AllReduce(comm, Noise(1), &out, rank == 0 ? first : second);
      ASSERT_FALSE(status.ok());
      EXPECT_THAT(status.message(), HasSubstr(text));
    });
  };
  expect(CallOptions("all_reduce: q8+ef algo=sra", 7), CallOptions("all_reduce: q8+ef algo=sra", 8),
         "differently: key");
  expect(CallOptions("all_reduce: q8+ef algo=sra"), CallOptions("all_reduce: q8+ef(bf16) algo=sra"),
         "differently: codec q8+ef");
}

TEST(StateTest, OneCallOfAKeyAtATime) {
  Comms comms(2, Settings{});
  std::latch tried(1);  // until then the first call of rank 0 can't end
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const std::vector<float> a = Noise(static_cast<uint32_t>(rank) + 1);
    std::vector<float> out, other;
    CallOptions call("all_reduce: q8+ef");
    thinwireRequest_t request = nullptr;
    call.options.request = &request;
    if (rank == 1) tried.wait();
    ASSERT_TRUE(AllReduce(comm, a, &out, call).ok());
    if (rank == 0) {
      const Status refused = AllReduce(comm, a, &other, CallOptions("all_reduce: q8+ef"));
      EXPECT_EQ(refused.code(), Code::kInvalidUsage);
      EXPECT_THAT(refused.message(), HasSubstr("key 1"));
      tried.count_down();
    }
    EXPECT_EQ(thinwireRequestWait(request), thinwireSuccess);
    EXPECT_TRUE(AllReduce(comm, a, &other, CallOptions("all_reduce: q8+ef")).ok());
  });
}

TEST(StateTest, AnotherShapeUnderAKeyIsRefused) {
  Comms comms(2, Settings{});
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    std::vector<float> out;
    const CallOptions call("all_reduce: q8+ef");
    ASSERT_TRUE(AllReduce(comm, Noise(static_cast<uint32_t>(rank)), &out, call).ok());
    const Status refused = AllReduce(comm, Noise(1, kCount - 1), &out, call);
    EXPECT_EQ(refused.code(), Code::kInvalidArgument);
    EXPECT_THAT(refused.message(), HasSubstr("key 1"));
  });
}

TEST(StateTest, AFailedCallLeavesStateAsItWas) {
  Settings settings;
  settings.timeout_seconds = 1;
  Comms comms(2, settings);
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    std::vector<float> out;
    const CallOptions call("all_reduce: q8+ef algo=sra");
    const std::vector<float> a = Noise(static_cast<uint32_t>(rank));
    ASSERT_TRUE(AllReduce(comm, a, &out, call).ok());
    const std::string before = Saved(comm);
    // Rank 0 encodes and sends; rank 1 never comes.
    if (rank == 0) {
      EXPECT_FALSE(AllReduce(comm, a, &out, call).ok());
    }
    EXPECT_EQ(Saved(comm), before);
  });
}

TEST(StateTest, SavedAndRestoredTheNextCallsGiveTheSameBits) {
  std::vector<std::string> saved(3);
  std::vector<std::vector<float>> want(3);
  const CallOptions call("all_reduce: delta(q8) algo=sra");
  {
    Comms comms(3, Settings{});
    comms.OnRanks([&](int rank, thinwireComm_t comm) {
      const auto r = static_cast<size_t>(rank);
      std::vector<float> out;
      ASSERT_TRUE(AllReduce(comm, Noise(static_cast<uint32_t>(rank)), &out, call).ok());
      saved[r] = Saved(comm);
      ASSERT_TRUE(AllReduce(comm, Noise(static_cast<uint32_t>(rank) + 10), &want[r], call).ok());
    });
  }
  Comms comms(3, Settings{});
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const auto r = static_cast<size_t>(rank);
    const Status restored = Restore(comm, saved[r]);
    ASSERT_TRUE(restored.ok()) << restored.message();
    std::vector<float> out;
    ASSERT_TRUE(AllReduce(comm, Noise(static_cast<uint32_t>(rank) + 10), &out, call).ok());
    EXPECT_EQ(out, want[r]);
    EXPECT_EQ(out, want[0]) << "all ranks have the same bits";
  });
}

// ---- Deltas ----

Status Send(thinwireComm_t comm, const std::vector<float>& values, const CallOptions& call) {
  return ToStatus(
      thinwireSend(values.data(), values.size(), thinwireFloat32, 1, comm, &call.options));
}
Status Receive(thinwireComm_t comm, std::vector<float>* values, const CallOptions& call) {
  values->resize(kCount);
  return ToStatus(
      thinwireRecv(values->data(), values->size(), thinwireFloat32, 0, comm, &call.options));
}

// Activations that drift: the later, the less.
std::vector<float> Drifting(int visit) {
  std::vector<float> values = Noise(1);
  const std::vector<float> drift = Noise(static_cast<uint32_t>(visit) + 100);
  for (size_t i = 0; i < kCount; ++i) {
    values[i] += drift[i] * std::pow(0.5f, static_cast<float>(visit));
  }
  return values;
}

TEST(DeltaTest, ErrorFallsWithTheDistanceBetweenVisits) {
  Comms comms(2, Settings{});
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const CallOptions call("send >=0: delta(q8,raw)");
    double first = 0, last = 0;
    for (int visit = 0; visit < 8; ++visit) {
      if (rank == 0) {
        ASSERT_TRUE(Send(comm, Drifting(visit), call).ok());
        continue;
      }
      std::vector<float> got;
      const Status received = Receive(comm, &got, call);
      ASSERT_TRUE(received.ok()) << received.message();
      last = RelativeError(Drifting(visit), got);
      if (visit == 0) {
        EXPECT_EQ(got, Drifting(0)) << "a first visit is sent as it is";
      }
      if (visit == 1) first = last;
    }
    if (rank == 1) {
      EXPECT_LT(first, 0.01);
      EXPECT_LT(last, first / 10);
    }
  });
}

TEST(DeltaTest, FirstVisitsMayBeCodedToo) {
  Comms comms(2, Settings{});
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const CallOptions call("send >=0: delta(q8,bf16,q8)");
    std::vector<float> got;
    if (rank == 0) {
      ASSERT_TRUE(Send(comm, Noise(1), call).ok());
      thinwireStatistics_t statistics{};
      statistics.size = sizeof(statistics);
      ASSERT_EQ(thinwireCommGetStatistics(comm, thinwireOpSend, &statistics), thinwireSuccess);
      EXPECT_GT(statistics.ratio, 3.5);
      EXPECT_STREQ(statistics.codec, "delta(q8,bf16,q8)");
    } else {
      ASSERT_TRUE(Receive(comm, &got, call).ok());
      EXPECT_LT(RelativeError(Noise(1), got), 0.01);
    }
  });
}

// One end is put back to an earlier state: it asks for the reference, and both go on from there.
TEST(DeltaTest, EndsOutOfStepRecoverByAFullSend) {
  for (const char* storage : {"raw", "bf16", "q8"}) {
    SCOPED_TRACE(storage);
    Comms comms(2, Settings{});
    comms.OnRanks([&](int rank, thinwireComm_t comm) {
      const CallOptions call(fmt::format("send >=0: delta(q8,{})", storage));
      std::string early;
      double in_step = 0;
      for (int visit = 0; visit < 8; ++visit) {
        if (visit == 4 && rank == 1) {
          ASSERT_TRUE(Restore(comm, early).ok());
        }
        if (visit == 6) {  // and once it forgets
          if (rank == 1) {
            ASSERT_TRUE(ToStatus(thinwireStateForget(comm, 1)).ok());
          }
        }
        if (rank == 0) {
          ASSERT_TRUE(Send(comm, Drifting(visit), call).ok());
        } else {
          std::vector<float> got;
          const Status received = Receive(comm, &got, call);
          ASSERT_TRUE(received.ok()) << received.message();
          const double error = RelativeError(Drifting(visit), got);
          if (visit == 3) in_step = error;
          if (visit > 3) {
            EXPECT_LE(error, 1.01 * in_step) << "visit " << visit;
          }
        }
        if (visit == 0) early = Saved(comm);
      }
    });
  }
}

TEST(DeltaTest, AllReduceRecoversToo) {
  Comms comms(3, Settings{});
  const CallOptions call("all_reduce: delta(q8) algo=sra");
  std::vector<std::vector<float>> outputs(3);
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const auto r = static_cast<size_t>(rank);
    std::string early;
    for (int visit = 0; visit < 6; ++visit) {
      if (visit == 3 && rank == 1) {
        ASSERT_TRUE(Restore(comm, early).ok());
      }
      const Status status = AllReduce(comm, Drifting(visit), &outputs[r], call);
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_LT(RelativeError(Drifting(visit), outputs[r]), 0.02) << "visit " << visit;
      if (visit == 0) early = Saved(comm);
    }
  });
  EXPECT_EQ(outputs[0], outputs[1]);
  EXPECT_EQ(outputs[0], outputs[2]);
}

TEST(DeltaTest, RoundARingIsRefused) {
  Comms comms(3, Settings{});
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    std::vector<float> out;
    const Status refused = AllReduce(comm, Noise(static_cast<uint32_t>(rank)), &out,
                                     CallOptions("all_reduce: delta(q8) algo=ring"));
    EXPECT_EQ(refused.code(), Code::kInvalidArgument);
    EXPECT_THAT(refused.message(), AllOf(HasSubstr("ring"), HasSubstr("delta(q8)")));
  });
}

TEST(DeltaTest, NotANumberIsDeliveredAndForgotten) {
  Comms comms(2, Settings{});
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const CallOptions call("send >=0: delta(q8)");
    for (int visit = 0; visit < 6; ++visit) {
      std::vector<float> values = Drifting(9);
      if (visit == 2) values[5] = std::nanf("");
      if (rank == 0) {
        ASSERT_TRUE(Send(comm, values, call).ok());
        continue;
      }
      std::vector<float> got;
      ASSERT_TRUE(Receive(comm, &got, call).ok());
      EXPECT_EQ(std::isnan(got[5]), visit == 2) << visit;
      if (visit == 5) {
        EXPECT_NEAR(got[5], values[5], 0.02);
      }
    }
  });
}

// ---- Sums of integers ----

// Of the same input, every algorithm gives the same bits, and they are right.
TEST(IntegerSumTest, EveryAlgorithmGivesTheSameBits) {
  for (const char* codec : {"iq8", "iq4"}) {
    std::vector<std::vector<float>> first;
    for (const char* algorithm : {"sra", "one-shot", "ring", "grid", "halving-doubling",
                                  "recursive-doubling", "double-tree"}) {
      SCOPED_TRACE(algorithm);
      const CallOptions call(fmt::format("all_reduce: {} algo={}", codec, algorithm),
                             THINWIRE_NO_KEY);
      std::vector<std::vector<float>> outputs(3);
      Comms comms(3, Settings{});
      comms.OnRanks([&](int rank, thinwireComm_t comm) {
        auto& out = outputs[static_cast<size_t>(rank)];
        const Status status = AllReduce(comm, Noise(static_cast<uint32_t>(rank) + 1), &out, call);
        ASSERT_TRUE(status.ok()) << status.message();
      });
      EXPECT_EQ(outputs[0], outputs[1]);
      EXPECT_EQ(outputs[0], outputs[2]);
      if (first.empty()) first = outputs;
      EXPECT_EQ(outputs, first);
    }
    std::vector<float> want(kCount);
    for (uint32_t r = 1; r <= 3; ++r) {
      const std::vector<float> other = Noise(r);
      for (size_t i = 0; i < kCount; ++i) want[i] += other[i] / 3;
    }
    EXPECT_LT(RelativeError(want, first[0]), codec == std::string("iq8") ? 0.02 : 0.25);
  }
}

TEST(IntegerSumTest, OtherReductionsAndRequestsWorkToo) {
  Comms comms(3, Settings{});
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    CallOptions call("* >=0: iq8", THINWIRE_NO_KEY);
    std::vector<float> all(3 * 5000), part(5000), reduced(3 * 5000);
    for (size_t i = 0; i < all.size(); ++i) all[i] = std::sin(static_cast<float>(i));
    thinwireRequest_t scatter = nullptr, reduce = nullptr;
    call.options.request = &scatter;
    ASSERT_EQ(thinwireReduceScatter(all.data(), part.data(), 5000, thinwireFloat32, thinwireSum,
                                    comm, &call.options),
              thinwireSuccess);
    call.options.request = &reduce;
    ASSERT_EQ(thinwireReduce(all.data(), reduced.data(), all.size(), thinwireFloat32, thinwireAvg,
                             1, comm, &call.options),
              thinwireSuccess);
    ASSERT_EQ(thinwireRequestWait(reduce), thinwireSuccess);
    ASSERT_EQ(thinwireRequestWait(scatter), thinwireSuccess);
    for (size_t i = 0; i < part.size(); ++i) {
      ASSERT_NEAR(part[i], 3 * all[static_cast<size_t>(rank) * 5000 + i], 0.02);
    }
    for (size_t i = 0; rank == 1 && i < all.size(); ++i) ASSERT_NEAR(reduced[i], all[i], 0.005);
  });
}

}  // namespace
}  // namespace thinwire
