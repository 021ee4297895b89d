# SPDX-License-Identifier: Apache-2.0
"""XXH3, 64 bits, in plain Python: slow, complete, and with no dependency.

    xxh3_64(data, seed=0) -> int

The published algorithm has a path for each of these lengths: 0, 1 to 3, 4 to 8, 9 to 16, 17 to 128,
129 to 240, and more. The golden frames (tools/make_golden_frames) take every one of them, and the
C++ tests check those against the C library.
"""

import struct

MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFFFFFFFFFFFFFF
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
MX1, MX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")
STRIPE = 64  # bytes taken in at once by the long path


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def u64(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def rotl64(x, bits):
    return (x << bits | x >> (64 - bits)) & MASK64


def swap64(x):
    return int.from_bytes(x.to_bytes(8, "little"), "big")


def fold(a, b):
    """The 128-bit product, its halves combined."""
    product = a * b
    return (product ^ product >> 64) & MASK64


def avalanche(h):
    h = (h ^ h >> 37) * MX1 & MASK64
    return h ^ h >> 32


def avalanche_xxh64(h):
    h = (h ^ h >> 33) * P64_2 & MASK64
    h = (h ^ h >> 29) * P64_3 & MASK64
    return h ^ h >> 32


def mix16(data, at, secret_at, seed):
    return fold(u64(data, at) ^ (u64(SECRET, secret_at) + seed & MASK64),
                u64(data, at + 8) ^ (u64(SECRET, secret_at + 8) - seed & MASK64))


def hash_0(seed):
    return avalanche_xxh64(seed ^ u64(SECRET, 56) ^ u64(SECRET, 64))


def hash_1_to_3(data, seed):
    n = len(data)
    combined = data[0] << 16 | data[n // 2] << 24 | data[n - 1] | n << 8
    flip = (u32(SECRET, 0) ^ u32(SECRET, 4)) + seed & MASK64
    return avalanche_xxh64(combined ^ flip)


def hash_4_to_8(data, seed):
    n = len(data)
    low = seed & MASK32
    seed ^= int.from_bytes(low.to_bytes(4, "little"), "big") << 32
    flip = (u64(SECRET, 8) ^ u64(SECRET, 16)) - seed & MASK64
    h = (u32(data, n - 4) + (u32(data, 0) << 32)) ^ flip
    h ^= rotl64(h, 49) ^ rotl64(h, 24)
    h = h * MX2 & MASK64
    h ^= (h >> 35) + n
    h = h * MX2 & MASK64
    return h ^ h >> 28


def hash_9_to_16(data, seed):
    n = len(data)
    low = u64(data, 0) ^ ((u64(SECRET, 24) ^ u64(SECRET, 32)) + seed & MASK64)
    high = u64(data, n - 8) ^ ((u64(SECRET, 40) ^ u64(SECRET, 48)) - seed & MASK64)
    return avalanche(n + swap64(low) + high + fold(low, high) & MASK64)


def hash_17_to_128(data, seed):
    n = len(data)
    h = n * P64_1
    for i in range((n - 1) // 32 + 1):  # from both ends towards the middle
        h += mix16(data, 16 * i, 32 * i, seed)
        h += mix16(data, n - 16 * (i + 1), 32 * i + 16, seed)
    return avalanche(h & MASK64)


def hash_129_to_240(data, seed):
    n = len(data)
    h = n * P64_1
    for i in range(8):
        h += mix16(data, 16 * i, 16 * i, seed)
    h = avalanche(h & MASK64)
    for i in range(8, n // 16):
        h += mix16(data, 16 * i, 16 * (i - 8) + 3, seed)
    h += mix16(data, n - 16, 136 - 17, seed)
    return avalanche(h & MASK64)


def accumulate(acc, data, at, secret, secret_at):
    for i in range(8):
        value = u64(data, at + 8 * i)
        key = value ^ u64(secret, secret_at + 8 * i)
        acc[i ^ 1] = acc[i ^ 1] + value & MASK64
        acc[i] = acc[i] + (key & MASK32) * (key >> 32) & MASK64


def scramble(acc, secret):
    for i in range(8):
        key = u64(secret, len(secret) - STRIPE + 8 * i)
        acc[i] = (acc[i] ^ acc[i] >> 47 ^ key) * P32_1 & MASK64


def hash_long(data, seed):
    n = len(data)
    secret = b"".join(struct.pack("<QQ", u64(SECRET, at) + seed & MASK64,
                                  u64(SECRET, at + 8) - seed & MASK64)
                      for at in range(0, len(SECRET), 16))
    stripes_per_block = (len(secret) - STRIPE) // 8
    acc = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
    for stripe in range((n - 1) // STRIPE):
        accumulate(acc, data, STRIPE * stripe, secret, 8 * (stripe % stripes_per_block))
        if stripe % stripes_per_block == stripes_per_block - 1:
            scramble(acc, secret)
    accumulate(acc, data, n - STRIPE, secret, len(secret) - STRIPE - 7)
    h = n * P64_1
    for i in range(4):
        h += fold(acc[2 * i] ^ u64(secret, 11 + 16 * i), acc[2 * i + 1] ^ u64(secret, 19 + 16 * i))
    return avalanche(h & MASK64)


def xxh3_64(data, seed=0):
    n = len(data)
    if n == 0:
        return hash_0(seed)
    if n <= 3:
        return hash_1_to_3(data, seed)
    if n <= 8:
        return hash_4_to_8(data, seed)
    if n <= 16:
        return hash_9_to_16(data, seed)
    if n <= 128:
        return hash_17_to_128(data, seed)
    if n <= 240:
        return hash_129_to_240(data, seed)
    return hash_long(data, seed)
