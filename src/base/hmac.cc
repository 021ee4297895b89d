// SPDX-License-Identifier: Apache-2.0
#include "base/hmac.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>

namespace thinwire {
namespace {

constexpr size_t kBlockBytes = 64;

constexpr std::array<uint32_t, 64> kRoundConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

class Sha256State {
 public:
  void Add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      block_[total_++ % kBlockBytes] = std::to_integer<uint32_t>(byte);
      if (total_ % kBlockBytes == 0) Compress();
    }
  }

  Digest Finish() {
    const uint64_t bits = total_ * 8;
    constexpr std::byte kOne{0x80};
    constexpr std::byte kZero{0};
    Add({&kOne, 1});
    while (total_ % kBlockBytes != kBlockBytes - sizeof(bits)) Add({&kZero, 1});
    for (int shift = 56; shift >= 0; shift -= 8) {
      const auto byte = static_cast<std::byte>(bits >> shift);
      Add({&byte, 1});
    }
    Digest digest;
    for (size_t i = 0; i < kDigestBytes; ++i) {
      digest[i] = static_cast<std::byte>(hash_[i / 4] >> (24 - 8 * (i % 4)));
    }
    return digest;
  }

 private:
  void Compress() {
    std::array<uint32_t, 64> w;
    for (size_t i = 0; i < 16; ++i) {
      w[i] = block_[4 * i] << 24 | block_[4 * i + 1] << 16 | block_[4 * i + 2] << 8 |
             block_[4 * i + 3];
    }
    for (size_t i = 16; i < 64; ++i) {
      const uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
      const uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = hash_;
    for (size_t i = 0; i < 64; ++i) {
      const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRoundConstants[i] + w[i];
      const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = d + t1;
      d = c;
      c = b;
      b = a;
      a = t1 + t2;
    }
    const std::array<uint32_t, 8> added = {a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < hash_.size(); ++i) hash_[i] += added[i];
  }

  std::array<uint32_t, 8> hash_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint32_t, kBlockBytes> block_{};
  uint64_t total_ = 0;
};

}  // namespace

Digest Sha256(std::initializer_list<std::span<const std::byte>> parts) {
  Sha256State state;
  for (const auto part : parts) state.Add(part);
  return state.Finish();
}

Digest HmacSha256(std::span<const std::byte> key,
                  std::initializer_list<std::span<const std::byte>> parts) {
  std::array<std::byte, kBlockBytes> inner_key{};
  if (key.size() <= kBlockBytes) {
    std::copy(key.begin(), key.end(), inner_key.begin());
  } else {
    const Digest digest = Sha256({key});
    std::copy(digest.begin(), digest.end(), inner_key.begin());
  }
  std::array<std::byte, kBlockBytes> outer_key = inner_key;
  for (std::byte& byte : inner_key) byte ^= std::byte{0x36};
  for (std::byte& byte : outer_key) byte ^= std::byte{0x5c};

  Sha256State inner;
  inner.Add(inner_key);
  for (const auto part : parts) inner.Add(part);
  const Digest inner_digest = inner.Finish();
  return Sha256({outer_key, inner_digest});
}

bool SameDigest(std::span<const std::byte, kDigestBytes> a,
                std::span<const std::byte, kDigestBytes> b) {
  std::byte difference{0};
  for (size_t i = 0; i < kDigestBytes; ++i) difference |= a[i] ^ b[i];
  return difference == std::byte{0};
}

Status FillRandom(std::span<std::byte> target) {
  while (!target.empty()) {
    const ssize_t got = getrandom(target.data(), target.size(), 0);
    if (got < 0 && errno != EINTR) return SystemErrno("getrandom");
    if (got > 0) target = target.subspan(static_cast<size_t>(got));
  }
  return {};
}

}  // namespace thinwire
