// SPDX-License-Identifier: Apache-2.0
//
// Calls in the order of streams: when they start and end, in graphs, and when they fail. For every
// way in which streams can wait.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <list>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "support/c_member.h"

namespace thinwire::cuda::test {
namespace {

constexpr size_t kCount = 3 * 4096 + 17;

class Stream {
 public:
  Stream() { EXPECT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  operator cudaStream_t() const { return stream_; }  // NOLINT: as an argument
  void Synchronize() const { EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess); }

 private:
  cudaStream_t stream_ = nullptr;
};

// Floats in device memory, moved in the order of a stream.
class Tensor {
 public:
  explicit Tensor(size_t count = kCount) : count_(count) {
    EXPECT_EQ(cudaMalloc(&data_, count * sizeof(float)), cudaSuccess);
  }
  ~Tensor() { cudaFree(data_); }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  float* data() const { return data_; }
  void Write(std::vector<float> values, cudaStream_t stream) const {
    written_.push_back(std::move(values));  // until the stream has come to it
    EXPECT_EQ(cudaMemcpyAsync(data_, written_.back().data(), count_ * sizeof(float),
                              cudaMemcpyDefault, stream),
              cudaSuccess);
  }
  std::vector<float> Read(const Stream& stream) const {
    std::vector<float> values(count_);
    EXPECT_EQ(
        cudaMemcpyAsync(values.data(), data_, count_ * sizeof(float), cudaMemcpyDefault, stream),
        cudaSuccess);
    stream.Synchronize();
    return values;
  }

 private:
  float* data_ = nullptr;
  const size_t count_;
  mutable std::list<std::vector<float>> written_;
};

std::vector<float> Ramp(float first, size_t count = kCount) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

struct CallSettings {
  const char* policy = nullptr;
  uint64_t key = THINWIRE_NO_KEY;
};
thinwireResult_t AllReduce(const Tensor& tensor, thinwireComm_t comm, cudaStream_t stream,
                           const CallSettings& settings = {}) {
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  options.stream = stream;
  options.policy = settings.policy;
  options.key = settings.key;
  return thinwireAllReduce(tensor.data(), tensor.data(), kCount, thinwireFloat32, thinwireSum, comm,
                           &options);
}

// Holds a stream until it is opened.
class Latch {
 public:
  void Hold(cudaStream_t stream) {
    const auto wait = [](void* open) {
      while (!static_cast<std::atomic<bool>*>(open)->load()) std::this_thread::yield();
    };
    EXPECT_EQ(cudaLaunchHostFunc(stream, wait, &open_), cudaSuccess);
  }
  void Open() { open_ = true; }

 private:
  std::atomic<bool> open_{false};
};

class StreamSuite : public testing::TestWithParam<const char*> {
 protected:
  StreamSuite() { setenv("THINWIRE_CUDA_WAIT", GetParam(), 1); }
  ~StreamSuite() override { unsetenv("THINWIRE_CUDA_WAIT"); }

  static Settings OnCuda() {
    Settings settings = Over("loopback");
    settings.device = "cuda";
    return settings;
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, StreamSuite, testing::Values("memops", "kernel", "hostfunc"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(StreamSuite, CallsReturnAtOnceAndTakePlaceInTheOrderOfTheStream) {
  Comms comms(2, OnCuda());
  Latch latch;
  std::atomic<int> returned{0};
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const Stream stream;
    const Tensor tensor;
    const std::vector<float> input = Ramp(static_cast<float>(rank));
    const std::vector<float> later(kCount, -1);
    tensor.Write(later, stream);
    latch.Hold(stream);
    tensor.Write(input, stream);
    ASSERT_EQ(AllReduce(tensor, comm, stream), thinwireSuccess);
    ASSERT_EQ(AllReduce(tensor, comm, stream), thinwireSuccess);
    // Both ranks have issued both calls although neither stream has come to them.
    ++returned;
    while (returned < 2) std::this_thread::yield();
    ASSERT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
    latch.Open();
    const std::vector<float> got = tensor.Read(stream);
    for (size_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(got[i], 2 * (2 * static_cast<float>(i) + 1)) << i;
    }
  });
}

TEST_P(StreamSuite, StreamsMayComeInAnyOrder) {
  // Calls are issued in one order everywhere, but rank 1 lets the second one's stream run first.
  if (std::string(GetParam()) == "hostfunc") GTEST_SKIP() << "one host function waits at a time";
  Comms comms(2, OnCuda());
  Latch latch;
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const Stream first, second;
    const Tensor a, b;
    const std::vector<float> ones(kCount, 1), threes(kCount, 3);
    if (rank == 1) latch.Hold(first);
    a.Write(ones, first);
    b.Write(threes, second);
    ASSERT_EQ(AllReduce(a, comm, first), thinwireSuccess);
    ASSERT_EQ(AllReduce(b, comm, second), thinwireSuccess);
    EXPECT_EQ(b.Read(second), std::vector<float>(kCount, 6));
    if (rank == 1) latch.Open();
    EXPECT_EQ(a.Read(first), std::vector<float>(kCount, 2));
  });
}

TEST_P(StreamSuite, SeveralCommunicatorsMeetInAnyOrder) {
  if (std::string(GetParam()) == "hostfunc") GTEST_SKIP() << "one host function waits at a time";
  Comms some(2, OnCuda()), others(2, OnCuda());
  OnThreads(2, [&](int rank) {
    const Stream first, second;
    const Tensor a, b;
    a.Write(Ramp(0), first);
    b.Write(Ramp(1), second);
    first.Synchronize(), second.Synchronize();
    // Each rank in its own order.
    for (const int turn : {0, 1}) {
      const bool is_a = (turn == 0) == (rank == 0);
      ASSERT_EQ(is_a ? AllReduce(a, some[rank], first) : AllReduce(b, others[rank], second),
                thinwireSuccess);
    }
    EXPECT_EQ(a.Read(first)[10], 20);
    EXPECT_EQ(b.Read(second)[10], 22);
  });
}

TEST_P(StreamSuite, GraphsReplayAmongOtherCalls) {
  Comms comms(2, OnCuda());
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const Stream stream;
    const Tensor captured, eager;
    const std::vector<float> ones(kCount, 1);
    captured.Write(ones, stream);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
    ASSERT_EQ(AllReduce(captured, comm, stream), thinwireSuccess);
    ASSERT_EQ(AllReduce(captured, comm, stream), thinwireSuccess);
    ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    ASSERT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
    ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    for (int replay = 1; replay <= 3; ++replay) {
      ASSERT_EQ(cudaGraphLaunch(exec, stream), cudaSuccess);
      eager.Write(Ramp(static_cast<float>(rank)), stream);
      ASSERT_EQ(AllReduce(eager, comm, stream), thinwireSuccess);
      EXPECT_EQ(eager.Read(stream)[7], 15);
      // Each replay doubles twice.
      EXPECT_EQ(captured.Read(stream)[7], std::pow(4.0f, static_cast<float>(replay)));
    }
    ASSERT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
  });
}

TEST_P(StreamSuite, StateAdvancesInTheOrderOfTheStreamAndOncePerReplay) {
  Comms comms(2, OnCuda());
  // What residuals do to a constant: the mean over many calls comes close to it.
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const Stream stream;
    const Tensor tensor;
    std::vector<float> input(kCount);
    for (size_t i = 0; i < kCount; ++i) input[i] = std::sin(static_cast<float>(i * 37 % 1001));
    const CallSettings settings = {.policy = "* >=0: q4+ef", .key = 5};
    const auto step = [&] {
      tensor.Write(input, stream);
      ASSERT_EQ(AllReduce(tensor, comm, stream, settings), thinwireSuccess)
          << thinwireGetLastError(comm);
    };
    std::vector<double> sums(kCount, 0);
    const auto add = [&] {
      const std::vector<float> got = tensor.Read(stream);
      for (size_t i = 0; i < kCount; ++i) sums[i] += got[i];
    };
    // Issued ahead of the stream: each finds the state that the one before left.
    step();
    step();
    add();
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
    step();
    ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    ASSERT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
    std::vector<float> last;
    int same = 0;
    for (int replay = 0; replay < 19; ++replay) {
      ASSERT_EQ(cudaGraphLaunch(exec, stream), cudaSuccess);
      add();
      const std::vector<float> now = tensor.Read(stream);
      same += now == last ? 1 : 0;
      last = now;
    }
    EXPECT_LT(same, 5) << "the state stands still";
    double worst = 0;
    for (size_t i = 0; i < kCount; ++i) {
      worst = std::max(worst, std::fabs(sums[i] / 20 - 2 * static_cast<double>(input[i])));
    }
    EXPECT_LT(worst, 0.05) << rank;
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
  });
}

TEST_P(StreamSuite, AbortLetsStreamsGo) {
  Comms comms(2, OnCuda());
  const Stream stream, other;
  const Tensor tensor, captured;
  tensor.Write(std::vector<float>(kCount, 1), stream);
  ASSERT_EQ(AllReduce(tensor, comms[0], stream), thinwireSuccess);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady) << "rank 1 never comes";
  OnThreads(2,
            [&](int rank) { EXPECT_EQ(thinwireCommAbort(comms.Release(rank)), thinwireSuccess); });
  stream.Synchronize();
  // The stream is of use again.
  tensor.Write(std::vector<float>(kCount, 4), stream);
  EXPECT_EQ(tensor.Read(stream)[3], 4);
}

TEST_P(StreamSuite, AFailureIsStickyAndLaterCallsAreRefused) {
  Settings settings = OnCuda();
  settings.timeout_seconds = 0.3;
  Comms comms(2, settings);
  const Stream stream;
  const Tensor tensor;
  ASSERT_EQ(AllReduce(tensor, comms[0], stream), thinwireSuccess);
  stream.Synchronize();
  thinwireResult_t error = thinwireSuccess;
  ASSERT_EQ(thinwireCommGetAsyncError(comms[0], &error), thinwireSuccess);
  EXPECT_EQ(error, thinwireTimeout);
  EXPECT_EQ(AllReduce(tensor, comms[0], stream), thinwireTimeout);
}

TEST_P(StreamSuite, GroupsMayUseSeveralStreamsAndMeetThemselves) {
  if (std::string(GetParam()) == "hostfunc") GTEST_SKIP() << "one host function waits at a time";
  Comms comms(2, OnCuda());
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const Stream streams[2];
    const Tensor sent[2], got[2];
    for (const int peer : {0, 1}) {
      sent[peer].Write(Ramp(static_cast<float>(100 * rank + 10 * peer)), streams[peer]);
    }
    ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
    for (const int peer : {0, 1}) {  // itself among them
      thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
      options.stream = streams[peer];
      thinwireSend(sent[peer].data(), kCount, thinwireFloat32, peer, comm, &options);
      thinwireRecv(got[peer].data(), kCount, thinwireFloat32, peer, comm, &options);
    }
    ASSERT_EQ(thinwireGroupEnd(), thinwireSuccess);
    for (const int peer : {0, 1}) {
      EXPECT_EQ(got[peer].Read(streams[peer]), Ramp(static_cast<float>(100 * peer + 10 * rank)));
    }
  });
}

TEST_P(StreamSuite, AGroupStartsAfterAllOfItsStreamsAndHoldsThemUntilAllHasEnded) {
  if (std::string(GetParam()) == "hostfunc") GTEST_SKIP() << "one host function waits at a time";
  Comms comms(2, OnCuda());
  std::atomic<int> come{0};  // rank 0's streams that went on
  Latch before, after;
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const Stream streams[2];
    const Tensor tensors[2];
    for (const int i : {0, 1}) tensors[i].Write(Ramp(1), streams[i]);
    if (rank == 1) {  // in no group: its first call goes at once, its second when it is let
      ASSERT_EQ(AllReduce(tensors[0], comm, streams[0]), thinwireSuccess);
      after.Hold(streams[1]);
      ASSERT_EQ(AllReduce(tensors[1], comm, streams[1]), thinwireSuccess);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      EXPECT_EQ(cudaStreamQuery(streams[0]), cudaErrorNotReady) << "begun before all had come";
      before.Open();
      streams[0].Synchronize();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      EXPECT_EQ(come, 0) << "let go before all had ended";
      after.Open();
      for (const int i : {0, 1}) EXPECT_EQ(tensors[i].Read(streams[i])[0], 2);
      return;
    }
    before.Hold(streams[1]);
    ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
    for (const int i : {0, 1}) AllReduce(tensors[i], comm, streams[i]);
    ASSERT_EQ(thinwireGroupEnd(), thinwireSuccess);
    const auto count = [](void* counted) { ++*static_cast<std::atomic<int>*>(counted); };
    for (const int i : {0, 1}) EXPECT_EQ(cudaLaunchHostFunc(streams[i], count, &come), cudaSuccess);
    for (const int i : {0, 1}) EXPECT_EQ(tensors[i].Read(streams[i])[0], 2);
    EXPECT_EQ(come, 2);
  });
}

TEST_P(StreamSuite, AGroupOfWhichAPartIsCapturedIsRefused) {
  Comms comms(1, OnCuda());
  const Stream captured, eager;
  const Tensor tensor;
  float on_host = 1;
  for (const bool host : {false, true}) {
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(captured, cudaStreamCaptureModeGlobal), cudaSuccess);
    ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
    AllReduce(tensor, comms[0], captured);
    if (host) {
      thinwireAllReduce(&on_host, &on_host, 1, thinwireFloat32, thinwireSum, comms[0], nullptr);
    } else {
      AllReduce(tensor, comms[0], eager);
    }
    EXPECT_EQ(thinwireGroupEnd(), thinwireInvalidUsage);
    EXPECT_STREQ(thinwireGetLastError(nullptr),
                 "1 of 2 calls of a group are captured in a graph: capture all or none");
    ASSERT_EQ(cudaStreamEndCapture(captured, &graph), cudaSuccess);
    cudaGraphDestroy(graph);
    eager.Synchronize();
  }
  tensor.Write(Ramp(5), eager);
  EXPECT_EQ(AllReduce(tensor, comms[0], eager), thinwireSuccess);
  EXPECT_EQ(tensor.Read(eager)[0], 5);
}

TEST(DeviceTest, HostAndDeviceRanksAgreeToTheBitWithEveryCodec) {
  for (const char* policy : {"q8", "q4+ef", "rq4+ef", "delta(rq2)", "tk(1%,q4,q8)+ef", "iq8",
                             "mxfp4", "rq1+unbiased", "q8+sr", "x3"}) {
    SCOPED_TRACE(policy);
    Settings settings = Over("loopback");
    settings.device = "cuda";
    Comms comms(3, settings);
    std::vector<std::vector<float>> results(3);
    const std::string every = std::string("* >=0: ") + policy;
    comms.OnRanks([&](int rank, thinwireComm_t comm) {
      const Stream stream;
      const Tensor tensor;
      for (int visit = 0; visit < 3; ++visit) {
        std::vector<float> input(kCount);
        for (size_t i = 0; i < kCount; ++i) {
          input[i] = std::sin(static_cast<float>(i * 37 % 1001) + static_cast<float>(rank + visit));
        }
        if (rank == 1) {
          thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
          options.policy = every.c_str();
          options.key = 3;
          ASSERT_EQ(thinwireAllReduce(input.data(), input.data(), kCount, thinwireFloat32,
                                      thinwireSum, comm, &options),
                    thinwireSuccess)
              << thinwireGetLastError(comm);
          results[1] = input;
        } else {
          tensor.Write(input, stream);
          ASSERT_EQ(AllReduce(tensor, comm, stream, {.policy = every.c_str(), .key = 3}),
                    thinwireSuccess)
              << thinwireGetLastError(comm);
          results[static_cast<size_t>(rank)] = tensor.Read(stream);
        }
      }
      thinwireResult_t error = thinwireSuccess;
      thinwireCommGetAsyncError(comm, &error);
      EXPECT_EQ(error, thinwireSuccess) << thinwireGetLastError(comm);
    });
    EXPECT_TRUE(results[0] == results[1]);
    EXPECT_TRUE(results[1] == results[2]);
  }
}

TEST(DeviceTest, RefusesMemoryThatTheDeviceDoesNotReach) {
  Settings settings = Over("loopback");
  settings.device = "cuda";
  Comms comms(1, settings);
  const Stream stream;
  std::vector<float> pageable(kCount);
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  options.stream = stream;
  EXPECT_EQ(thinwireAllReduce(pageable.data(), pageable.data(), kCount, thinwireFloat32,
                              thinwireSum, comms[0], &options),
            thinwireInvalidArgument);
  EXPECT_NE(std::string(thinwireGetLastError(nullptr)).find("cudaHostAlloc"), std::string::npos);

  void* pinned = nullptr;
  ASSERT_EQ(cudaHostAlloc(&pinned, kCount * sizeof(float), cudaHostAllocMapped), cudaSuccess);
  auto* const values = static_cast<float*>(pinned);
  std::fill_n(values, kCount, 2.5f);
  EXPECT_EQ(
      thinwireAllReduce(pinned, pinned, kCount, thinwireFloat32, thinwireSum, comms[0], &options),
      thinwireSuccess);
  stream.Synchronize();
  EXPECT_EQ(values[kCount - 1], 2.5f);
  cudaFreeHost(pinned);
}

TEST(DeviceTest, RanksOfAProcessTakeTheDevicesInTurnAndRefuseOthersMemory) {
#ifdef THINWIRE_CUDA_EMULATED
  emulation::SetDeviceCount(2);
#endif
  int devices = 0;
  ASSERT_EQ(cudaGetDeviceCount(&devices), cudaSuccess);
  if (devices < 2) GTEST_SKIP() << "there is one device";
  Settings settings = Over("loopback");
  settings.device = "cuda";
  Comms comms(2, settings);
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    ASSERT_EQ(cudaSetDevice(rank), cudaSuccess);
    const Stream stream;
    const Tensor own;
    own.Write(Ramp(0), stream);
    ASSERT_EQ(AllReduce(own, comm, stream), thinwireSuccess) << thinwireGetLastError(comm);
    EXPECT_EQ(own.Read(stream)[9], 18);
    ASSERT_EQ(cudaSetDevice(1 - rank), cudaSuccess);
    const Tensor other;
    EXPECT_EQ(AllReduce(other, comm, stream), thinwireInvalidArgument);
    int current = -1;
    cudaGetDevice(&current);
    EXPECT_EQ(current, 1 - rank) << "the caller's device stays current";
  });
#ifdef THINWIRE_CUDA_EMULATED
  emulation::SetDeviceCount(1);
#endif
}

TEST(DeviceTest, WithoutADeviceStreamsAreRefused) {
  Comms comms(1, Over("loopback"));
  const Stream stream;
  std::vector<float> values(kCount);
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  options.stream = stream;
  EXPECT_EQ(thinwireAllReduce(values.data(), values.data(), kCount, thinwireFloat32, thinwireSum,
                              comms[0], &options),
            thinwireInvalidArgument);
}

TEST(DeviceTest, AnotherWayToWaitIsRefusedByName) {
  setenv("THINWIRE_CUDA_WAIT", "patiently", 1);
  Settings settings = Over("loopback");
  settings.device = "cuda";
  const thinwireConfig_t config = settings.config();
  thinwireComm_t comm = nullptr;
  EXPECT_EQ(thinwireCommInitAll(&comm, 1, &config), thinwireInvalidArgument);
  EXPECT_NE(std::string(thinwireGetLastError(nullptr)).find("patiently"), std::string::npos);
  unsetenv("THINWIRE_CUDA_WAIT");
}

}  // namespace
}  // namespace thinwire::cuda::test
