// SPDX-License-Identifier: Apache-2.0
//
// What must hold for any bytes. Run by libFuzzer or by support/fuzz_main.cc.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "wire/frame.h"

namespace thinwire {
namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "frame_fuzz: %s\n", what);
  std::abort();
}

void Check(std::span<const std::byte> bytes) {
  const ParsedFrame parsed = ParseFrame(bytes);
  switch (parsed.state) {
    case ParseState::kBad:
      Require(!parsed.error.ok() && !parsed.error.message().empty(), "a bad frame has a reason");
      break;
    case ParseState::kNeedMore:
      Require(parsed.bytes > bytes.size(), "it needs more than is there");
      Require(parsed.bytes <= kFrameHeaderBytes + kMaxPayloadBytes, "it needs a bounded number");
      break;
    case ParseState::kFrame: {
      Require(parsed.bytes <= bytes.size(), "the frame is there");
      Require(parsed.bytes == kFrameHeaderBytes + parsed.payload.size(), "sizes agree");
      std::vector<std::byte> again(bytes.begin(),
                                   bytes.begin() + static_cast<std::ptrdiff_t>(parsed.bytes));
      SealFrame(parsed.header, again.data());
      Require(std::equal(again.begin(), again.end(), bytes.begin()), "it seals to the same bytes");
      break;
    }
  }
}

}  // namespace
}  // namespace thinwire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size: a sanitizer sees any read beyond it.
  const auto copy = std::make_unique<std::byte[]>(size);
  for (size_t i = 0; i < size; ++i) copy[i] = std::byte{data[i]};
  thinwire::Check({copy.get(), size});
  return 0;
}
