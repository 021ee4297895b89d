// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

// Inlined, so that the library needs no libxxhash at run time.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace thinwire {

uint64_t Xxh3(std::span<const std::byte> bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

struct Xxh3Stream::State {
  XXH3_state_t xxh3;
};

Xxh3Stream::Xxh3Stream() : state_(std::make_unique<State>()) { XXH3_64bits_reset(&state_->xxh3); }
Xxh3Stream::~Xxh3Stream() = default;

void Xxh3Stream::Add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(&state_->xxh3, bytes.data(), bytes.size());
}
uint64_t Xxh3Stream::Digest() const { return XXH3_64bits_digest(&state_->xxh3); }

}  // namespace thinwire
