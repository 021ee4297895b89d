// SPDX-License-Identifier: Apache-2.0
//
// Members whose tensors stand in device memory: what tests give in host memory is carried there,
// and back once the stream has done the calls.

#ifndef THINWIRE_TESTS_CUDA_CUDA_MEMBER_H_
#define THINWIRE_TESTS_CUDA_CUDA_MEMBER_H_

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "support/c_member.h"

namespace thinwire::cuda::test {

class CudaMember final : public CMember {
 public:
  explicit CudaMember(thinwireComm_t comm) : CMember(comm) {
    EXPECT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
  }
  ~CudaMember() override { cudaStreamDestroy(stream_); }
  CudaMember(const CudaMember&) = delete;
  CudaMember& operator=(const CudaMember&) = delete;

  Status RunTogether(const std::vector<Part>& parts) override {
    std::vector<Range> ranges;
    for (const Part& part : parts) {
      if (part.op.count == 0) continue;
      if (part.send != nullptr) Include(Of(part.send, InputBytes(part.op)), &ranges);
      if (part.recv != nullptr) Include(Of(part.recv, OutputBytes(part.op)), &ranges);
    }
    for (Range& range : ranges) {
      const size_t bytes = static_cast<size_t>(range.end - range.begin);
      EXPECT_EQ(cudaMallocAsync(&range.device, bytes, stream_), cudaSuccess);
      Move(range.device, range.begin, bytes);
    }
    std::vector<Part> moved = parts;
    for (Part& part : moved) {
      part.send = OnDevice(part.send, ranges);
      part.recv = OnDevice(const_cast<const void*>(part.recv), ranges);
    }
    const Status status = CMember::RunTogether(moved);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    for (const Part& part : parts) {
      if (part.recv == nullptr || part.op.count == 0) continue;
      Move(part.recv, OnDevice(part.recv, ranges), OutputBytes(part.op));
    }
    // Not cudaFree, which waits for the streams of all ranks on the device, and so for their calls.
    for (const Range& range : ranges) cudaFreeAsync(range.device, stream_);
    if (!status.ok()) return status;
    return AsyncError();
  }

 protected:
  void* stream() override { return stream_; }

 private:
  struct Range {
    std::byte* begin;
    std::byte* end;
    void* device = nullptr;
  };

  static Range Of(const void* memory, size_t bytes) {
    auto* const begin = static_cast<std::byte*>(const_cast<void*>(memory));
    return {begin, begin + bytes};
  }
  // Ranges that touch become one: in-place calls stay in place.
  static void Include(Range range, std::vector<Range>* ranges) {
    for (auto other = ranges->begin(); other != ranges->end();) {
      if (other->end < range.begin || range.end < other->begin) {
        ++other;
        continue;
      }
      range = {std::min(range.begin, other->begin), std::max(range.end, other->end)};
      other = ranges->erase(other);
    }
    ranges->push_back(range);
  }
  static void* OnDevice(const void* memory, const std::vector<Range>& ranges) {
    const auto* const at = static_cast<const std::byte*>(memory);
    for (const Range& range : ranges) {
      if (at >= range.begin && at < range.end) {
        return static_cast<std::byte*>(range.device) + (at - range.begin);
      }
    }
    return nullptr;
  }
  void Move(void* target, const void* source, size_t bytes) {
    EXPECT_EQ(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDefault, stream_), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  }
  size_t InputBytes(const Op& op) const {
    const bool scatters =
        op.operation == Operation::kReduceScatter || op.operation == Operation::kAllToAll;
    return op.count * SizeOf(op.dtype) * static_cast<size_t>(scatters ? ranks() : 1);
  }
  size_t OutputBytes(const Op& op) const {
    const bool gathers =
        op.operation == Operation::kAllGather || op.operation == Operation::kAllToAll;
    return op.count * SizeOf(op.dtype) * static_cast<size_t>(gathers ? ranks() : 1);
  }

  cudaStream_t stream_ = nullptr;
};

}  // namespace thinwire::cuda::test

#endif  // THINWIRE_TESTS_CUDA_CUDA_MEMBER_H_
