# SPDX-License-Identifier: Apache-2.0
"""Slow reference of codecs `rq4` to `rq1`, written from docs/codecs.md; registered by codecs.py.

Binary32 arithmetic is binary64 arithmetic rounded once more, which is the same for a sum, a product
or a quotient. Elements are given as their 32 bits.
"""

import struct

ROWS, CHUNK = 256, 4096
FLT_MAX = (2 - 2.0**-23) * 2.0**127
FIRST = {4: [0, 11, 22, 33, 45, 59, 76, 99], 3: [0, 21, 44, 74], 2: [0, 41], 1: [0]}
LEVEL = {4: [6, 18, 30, 43, 57, 74, 95, 126], 3: [13, 40, 72, 117], 2: [21, 71], 1: [64]}
SIGNS = [0xD6047888, 0x6639C8B5, 0xA49E0A12, 0x14A3BA2F, 0x0C6CA2E0, 0xBC5112DD, 0x7EF6D07A,
         0xCECB6047]


FLOAT, WORD = struct.Struct("<f"), struct.Struct("<I")


def f32(x):
    return FLOAT.unpack(FLOAT.pack(x))[0]


def from_bits(bits):
    return FLOAT.unpack(WORD.pack(bits))[0]


def to_bits(x):
    return WORD.unpack(FLOAT.pack(x))[0]


def philox(key, counter):
    """The four words of Philox4x32-7 for a counter below 2^64."""
    c = [counter & 0xFFFFFFFF, counter >> 32, 0, 0]
    k = [key & 0xFFFFFFFF, key >> 32]
    for _ in range(7):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & 0xFFFFFFFF, a >> 32 ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def negated(words, row):
    return words[row // 32] >> row % 32 & 1


def transform(column, add, subtract):
    column = list(column)
    for bit in range(8):
        for low in range(ROWS):
            if low >> bit & 1 == 0:
                high = low | 1 << bit
                a, b = column[low], column[high]
                column[low], column[high] = add(a, b), subtract(a, b)
    return column


def scale_of(numerator, denominator, largest):
    """The bits of the bfloat16 scale."""
    x = f32(f32(numerator / denominator) * f32(256 / 126)) * largest
    if x > from_bits(0x7F7F0000):
        return 0x7F7F
    bits = to_bits(x)
    return bits + 0x7FFF + (bits >> 16 & 1) >> 16


def encode_block(column, bits, words, unbiased):
    """(scale, codes) of 256 elements."""
    if any(b & 0x7F800000 == 0x7F800000 for b in column):
        return 0x7FC0, [0] * ROWS
    x = [f32(from_bits(b) * (-1 if negated(words, row) else 1) / 256)
         for row, b in enumerate(column)]
    h = transform(x, lambda a, b: f32(a + b), lambda a, b: f32(a - b))
    largest = max(abs(v) for v in h)
    if largest < 2.0**-119:
        return 0, [0] * ROWS
    inverse = f32(126 / largest)
    codes, ww, wl, ll = [], 0, 0, 0
    for v in h:
        w = round(f32(abs(v) * inverse))
        cell = max(i for i, first in enumerate(FIRST[bits]) if w >= first)
        level = LEVEL[bits][cell]
        ww, wl, ll = ww + w * w, wl + w * level, ll + level * level
        codes.append(cell | (to_bits(v) >> 31) << bits - 1)
    return scale_of(*((ww, wl) if unbiased else (wl, ll)), largest), codes


def decode_block(scale, codes, bits, words):
    if scale & 0x7F80 == 0x7F80:
        return [0x7FC00000] * ROWS
    if scale & 0x7FFF == 0:
        return [0] * ROWS
    levels = [(-1 if code >> bits - 1 else 1) * LEVEL[bits][code & (1 << bits - 1) - 1]
              for code in codes]
    n = transform(levels, lambda a, b: a + b, lambda a, b: a - b)
    out = []
    for row, integer in enumerate(n):
        flip = -1 / 256 if negated(words, row) else 1 / 256
        y = float(integer) * flip * from_bits(scale << 16)
        out.append(to_bits(max(min(y, FLT_MAX), -FLT_MAX)))
    return out


def put(plane, count, width, index, value):
    """Field `index` of a plane of `count` fields: byte i has fields i, i + count * width / 8 .."""
    stride = count * width // 8
    plane[index % stride] |= value << index // stride * width


def get(plane, count, width, index):
    stride = count * width // 8
    return plane[index % stride] >> index // stride * width & (1 << width) - 1


def widths(bits):
    return [2, 1] if bits == 3 else [bits]


def encode_chunk(elements, bits, words, unbiased):
    lanes = -(-len(elements) // ROWS)
    padded = elements + [0] * (lanes * ROWS - len(elements))
    count = lanes * ROWS
    planes = [bytearray(count * width // 8) for width in widths(bits)]
    scales = b""
    for lane in range(lanes):
        scale, codes = encode_block(padded[lane::lanes], bits, words, unbiased)
        scales += scale.to_bytes(2, "little")
        for row, code in enumerate(codes):
            shift = 0
            for plane, width in zip(planes, widths(bits)):
                put(plane, count, width, row * lanes + lane, code >> shift & (1 << width) - 1)
                shift += width
    return scales + bytes(-len(scales) % 16) + b"".join(planes)


def decode_chunk(data, size, bits, words):
    lanes = -(-size // ROWS)
    count = lanes * ROWS
    at = -(-2 * lanes // 16) * 16
    planes = []
    for width in widths(bits):
        planes.append(data[at:at + count * width // 8])
        at += len(planes[-1])
    out = [0] * count
    for lane in range(lanes):
        codes = []
        for row in range(ROWS):
            code, shift = 0, 0
            for plane, width in zip(planes, widths(bits)):
                code |= get(plane, count, width, row * lanes + lane) << shift
                shift += width
            codes.append(code)
        scale = int.from_bytes(data[2 * lane:2 * lane + 2], "little")
        out[lane::lanes] = decode_block(scale, codes, bits, words)
    return out[:size]


def signs_of(seed):
    return philox(seed, 0) + philox(seed, 1)


def codec(bits, unbiased=False, key=0):
    def chunk_bytes(size):
        lanes = -(-size // ROWS)
        return 16 * unbiased + -(-2 * lanes // 16) * 16 + 32 * bits * lanes

    def encode(elements):
        out = b""
        for first in range(0, len(elements), CHUNK):
            words = SIGNS
            if unbiased:
                seed = philox(key, first)[0]
                out += seed.to_bytes(4, "little") + bytes(12)
                words = signs_of(seed)
            out += encode_chunk(elements[first:first + CHUNK], bits, words, unbiased)
        return out

    def decode(data, count):
        out = []
        while count:
            size = min(count, CHUNK)
            words = signs_of(int.from_bytes(data[:4], "little")) if unbiased else SIGNS
            out += decode_chunk(data[16 * unbiased:chunk_bytes(size)], size, bits, words)
            data, count = data[chunk_bytes(size):], count - size
        return out

    return encode, decode


CODECS = {
    "rq4": codec(4),
    "rq3": codec(3),
    "rq2": codec(2),
    "rq1": codec(1),
    "rq4+unbiased": codec(4, unbiased=True),
    "rq1+unbiased": codec(1, unbiased=True),
}
