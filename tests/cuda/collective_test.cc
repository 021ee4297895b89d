// SPDX-License-Identifier: Apache-2.0
//
// The collective suite on device memory, in the order of streams; and with tensors of some ranks in
// device memory and of others in host memory.
#include <gtest/gtest.h>

#include "cuda/cuda_member.h"
#include "support/collective_suite.h"

namespace thinwire::cuda::test {
namespace {

enum class Where { kDevice, kMixed };

RunMembers CudaMembers(const std::string& transport, Where where) {
  return [=](int ranks, const std::function<void(Member&)>& body) {
    Settings settings = Over(transport);
    settings.device = "cuda";
    Comms comms(ranks, settings);
    if (comms[0] == nullptr) return;
    comms.OnRanks([&](int rank, thinwireComm_t comm) {
      if (where == Where::kMixed && rank % 2 == 0) {
        CMember member(comm);
        body(member);
      } else {
        CudaMember member(comm);
        body(member);
      }
    });
  };
}

std::vector<SuiteParam> Stacks() {
  return {{"Device", CudaMembers("loopback", Where::kDevice), false},
          {"Mixed", CudaMembers("loopback", Where::kMixed), false}};
}

INSTANTIATE_TEST_SUITE_P(Cuda, CollectiveSuite, testing::ValuesIn(Stacks()), NameOfParam);

}  // namespace
}  // namespace thinwire::cuda::test
