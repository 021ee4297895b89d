// SPDX-License-Identifier: Apache-2.0
//
// Counts beyond 2^31 elements and messages beyond 4 GiB: values stand where they belong, also
// behind the places where 32 bits end.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>

#include "support/c_member.h"

namespace thinwire {
namespace {

// Memory of zeros, which takes room only where it is written.
class Zeros {
 public:
  explicit Zeros(size_t bytes) : bytes_(bytes) {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    data_ = static_cast<uint8_t*>(memory);
  }
  ~Zeros() { munmap(data_, bytes_); }
  Zeros(const Zeros&) = delete;
  Zeros& operator=(const Zeros&) = delete;
  uint8_t* data() const { return data_; }
  uint8_t& operator[](size_t i) const { return data_[i]; }

 private:
  const size_t bytes_;
  uint8_t* data_ = nullptr;
};

constexpr size_t kCount = (size_t{1} << 31) + 5;
constexpr size_t kPlaces[] = {0, (size_t{1} << 31) - 1, size_t{1} << 31, kCount - 1};

TEST(LargeCountTest, SumsOfMoreThanTwoBillionElements) {
  Comms comms(2, Over("loopback"));
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    const Zeros values(kCount);
    for (const size_t place : kPlaces) values[place] = static_cast<uint8_t>(rank + 1);
    values[kCount / 3] = 100;
    ASSERT_EQ(thinwireAllReduce(values.data(), values.data(), kCount, thinwireUint8, thinwireSum,
                                comm, nullptr),
              thinwireSuccess)
        << thinwireGetLastError(nullptr);
    for (const size_t place : kPlaces) EXPECT_EQ(values[place], 3) << place;
    EXPECT_EQ(values[kCount / 3], 200);
    EXPECT_EQ(values[kCount / 3 + 1], 0);
  });
}

TEST(LargeCountTest, MessagesOfMoreThanFourGibibytes) {
  constexpr size_t kFloats = (size_t{1} << 30) + 3;
  Comms comms(2, Over("loopback"));
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    const Zeros values(kFloats * sizeof(float));
    auto* const floats = reinterpret_cast<float*>(values.data());
    const size_t places[] = {0, size_t{1} << 29, (size_t{1} << 30) - 1, kFloats - 1};
    if (rank == 0) {
      for (const size_t place : places) floats[place] = static_cast<float>(place % 1000) + 1;
    }
    const thinwireResult_t result =
        rank == 0 ? thinwireSend(floats, kFloats, thinwireFloat32, 1, comm, nullptr)
                  : thinwireRecv(floats, kFloats, thinwireFloat32, 0, comm, nullptr);
    ASSERT_EQ(result, thinwireSuccess) << thinwireGetLastError(nullptr);
    for (const size_t place : places) {
      EXPECT_EQ(floats[place], static_cast<float>(place % 1000) + 1) << place;
    }
    EXPECT_EQ(floats[12345], 0);
  });
}

}  // namespace
}  // namespace thinwire
