#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Slow reference of the codecs, written from docs/codecs.md and from nothing else.

Exact rational arithmetic (fractions) throughout, rounded only where the document says so. Used by
tools/make_golden; it shares no code with src/codec on purpose. A float is given as its 32 bits.
"""

import bisect
import pathlib
import sys
import types
from fractions import Fraction

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import codec_block_float  # noqa: E402
import codec_iq  # noqa: E402
import codec_rq  # noqa: E402
import codec_tk  # noqa: E402
import codec_x3  # noqa: E402

INF_BITS = 0x7F800000
FLT_MAX = Fraction(2**24 - 1) * Fraction(2) ** 104


# ---- Binary floating-point numbers as rationals ----

def value_of(bits, exponent_bits=8, mantissa_bits=23):
    """The rational of a finite binary number."""
    bias = (1 << (exponent_bits - 1)) - 1
    sign = -1 if bits >> (exponent_bits + mantissa_bits) & 1 else 1
    exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1)
    mantissa = bits & ((1 << mantissa_bits) - 1)
    if exponent:
        mantissa += 1 << mantissa_bits
    return sign * mantissa * Fraction(2) ** (max(exponent, 1) - bias - mantissa_bits)


def round_even(x):
    """A rational rounded to an integer, ties to even: what round() does to fractions."""
    return round(x)


def bits_of(x, exponent_bits=8, mantissa_bits=23, negative_zero=False):
    """A rational rounded to nearest, ties to even, as bits; overflow gives Inf."""
    bias = (1 << (exponent_bits - 1)) - 1
    sign = (1 if x < 0 or negative_zero else 0) << (exponent_bits + mantissa_bits)
    x = abs(Fraction(x))
    if x == 0:
        return sign
    exponent = x.numerator.bit_length() - x.denominator.bit_length()  # or 1 more than it should be
    exponent = max(exponent - (x < Fraction(2) ** exponent), 1 - bias)
    mantissa = round_even(x / Fraction(2) ** (exponent - mantissa_bits))
    # A carry out of the mantissa moves into the exponent, by the way the fields adjoin.
    biased = exponent + bias - 1
    infinity = ((1 << exponent_bits) - 1) << mantissa_bits
    return sign | min((biased << mantissa_bits) + mantissa, infinity)


def float32(x):
    """A rational rounded to binary32, as a rational."""
    return value_of(bits_of(x))


def is_nan(bits):
    return bits & 0x7FFFFFFF > INF_BITS


def is_inf(bits):
    return bits & 0x7FFFFFFF == INF_BITS


# ---- raw, bf16 ----

def raw_encode(elements):
    return b"".join(bits.to_bytes(4, "little") for bits in elements)


def raw_decode(data, count):
    return [int.from_bytes(data[4 * i:4 * i + 4], "little") for i in range(count)]


def bf16_encode(elements):
    out = b""
    for bits in elements:
        if is_nan(bits):
            narrow = bits >> 16 | 0x40
        elif is_inf(bits):
            narrow = bits >> 16
        else:
            narrow = bits_of(value_of(bits), 8, 7, negative_zero=bits >> 31 == 1)
        out += narrow.to_bytes(2, "little")
    return out


def bf16_decode(data, count):
    return [int.from_bytes(data[2 * i:2 * i + 2], "little") << 16 for i in range(count)]


# ---- q8, q4 and their stochastic rounding ----

Q_BLOCK, Q_CHUNK, Q_MIN_SCALE = 32, 4096, 8


def philox(key, counter, rounds=7):
    """The 16 bytes of Philox4x32 for a 64-bit key and a 64-bit counter."""
    mask = 0xFFFFFFFF
    words = [counter & mask, counter >> 32, 0, 0]
    low, high = key & mask, key >> 32
    for _ in range(rounds):
        even, odd = words[0] * 0xD2511F53, words[2] * 0xCD9E8D57
        words = [odd >> 32 ^ words[1] ^ low, odd & mask, even >> 32 ^ words[3] ^ high, even & mask]
        low, high = (low + 0x9E3779B9) & mask, (high + 0xBB67AE85) & mask
    return b"".join(word.to_bytes(4, "little") for word in words)


def q_levels(bits, guarded):
    return (1 << (bits - 1)) - (2 if guarded else 1)


def q_step(scale):
    return Fraction(8 + scale % 8) * Fraction(2) ** (scale // 8 - 127 - 3)


def q_inverse(scale):
    return float32(Fraction(8, 8 + scale % 8)) * Fraction(2) ** (127 - scale // 8)


def q_scale(largest, levels):
    """The smallest scale whose step is not under the binary32 product largest * (1 / levels)."""
    wanted = float32(largest * float32(Fraction(1, levels)))
    return Q_MIN_SCALE + bisect.bisect_left(range(Q_MIN_SCALE, 2040), wanted, key=q_step)


def q_code(element, scale, bits, noise):
    top = q_levels(bits, False)
    if is_nan(element):
        return -top - 1
    if is_inf(element):
        return -top if element >> 31 else top
    quotient = float32(value_of(element) * q_inverse(scale))
    if noise is None:
        return round_even(quotient)
    return (round_even(256 * quotient) + noise) // 256


def padded(data, multiple):
    return data + bytes(-len(data) % multiple)


def q_pack_block(codes, bits):
    codes = codes + [0] * (Q_BLOCK - len(codes))
    if bits == 8:
        return bytes(code & 0xFF for code in codes)
    return bytes(codes[j] & 15 | (codes[j + 16] & 15) << 4 for j in range(16))


def q_code_bytes(count, bits):
    return -(-count * bits // 128) * 16


def q_code_at(plane, i, bits):
    if bits == 8:
        code = plane[i]
    else:
        code = plane[i // Q_BLOCK * 16 + i % 16] >> (4 if i % Q_BLOCK >= 16 else 0) & 15
    return code - (1 << bits) if code >> (bits - 1) else code


def q_encode_chunk(elements, bits, noise):
    guarded = any(element & 0x7FFFFFFF >= 0x7F000000 for element in elements)
    blocks = [range(i, min(i + Q_BLOCK, len(elements))) for i in range(0, len(elements), Q_BLOCK)]
    scales = []
    for block in blocks:
        finite = [abs(value_of(elements[i])) for i in block
                  if elements[i] & 0x7FFFFFFF < INF_BITS]
        scales.append(q_scale(max(finite, default=Fraction(0)), q_levels(bits, guarded)))
    top = max(scales)
    plane, codes = b"", b""
    for block, scale in zip(blocks, scales):
        byte = max(scale + 255 - top, 0)
        plane += bytes([byte])
        scale = max(byte + top - 255, Q_MIN_SCALE)
        codes += q_pack_block([q_code(elements[i], scale, bits, noise and noise[i])
                               for i in block], bits)
    head = top.to_bytes(2, "little") + bytes([guarded]) + bytes(13)
    return head + padded(plane, 16) + codes[:q_code_bytes(len(elements), bits)]


def q_decode_chunk(data, count, bits):
    top, guarded = int.from_bytes(data[:2], "little"), data[2] == 1
    blocks = -(-count // Q_BLOCK)
    plane = data[16 + -(-blocks // 16) * 16:]
    levels = q_levels(bits, False)
    out = []
    for i in range(count):
        scale = max(data[16 + i // Q_BLOCK] + top - 255, Q_MIN_SCALE)
        code = q_code_at(plane, i, bits)
        if guarded and code < -levels:
            out.append(0x7FC00000)
        elif guarded and abs(code) == levels:
            out.append(INF_BITS | (0x80000000 if code < 0 else 0))
        else:
            x = code * q_step(scale)
            if guarded:
                x = max(min(x, FLT_MAX), -FLT_MAX)
            out.append(bits_of(x))
    return out


def q_chunk_bytes(count, bits):
    blocks = -(-count // Q_BLOCK)
    return 16 + -(-blocks // 16) * 16 + q_code_bytes(count, bits)


def q_codec(bits, stochastic=False):
    def encode(elements, key=0, first=0):
        out = b""
        for start in range(0, len(elements), Q_CHUNK):
            chunk = elements[start:start + Q_CHUNK]
            noise = None
            if stochastic:
                numbers = range(first + start, first + start + len(chunk))
                counters = {n // 16: philox(key, n // 16) for n in numbers}
                noise = [counters[n // 16][n % 16] for n in numbers]
            out += q_encode_chunk(chunk, bits, noise)
        return out

    def decode(data, count):
        out = []
        while count:
            size = min(count, Q_CHUNK)
            out += q_decode_chunk(data, size, bits)
            data, count = data[q_chunk_bytes(size, bits):], count - size
        return out

    return encode, decode


# ---- fp16, and narrow floats under a shared scale ----

def fp16_encode(elements):
    out = b""
    for bits in elements:
        sign = bits >> 31 << 15
        if is_nan(bits):
            narrow = sign | 0x7E00 | bits >> 13 & 0x3FF
        elif is_inf(bits):
            narrow = sign | 0x7C00
        else:
            narrow = bits_of(value_of(bits), 5, 10, negative_zero=sign != 0)
        out += narrow.to_bytes(2, "little")
    return out


def fp16_decode(data, count):
    out = []
    for i in range(count):
        narrow = int.from_bytes(data[2 * i:2 * i + 2], "little")
        if narrow & 0x7C00 == 0x7C00:
            out.append(narrow >> 15 << 31 | INF_BITS | (narrow & 0x3FF) << 13)
        else:
            out.append(bits_of(value_of(narrow, 5, 10), negative_zero=narrow >> 15 == 1))
    return out


# ---- All of them ----

_SELF = types.SimpleNamespace(**globals())
CODECS = {
    "raw": (raw_encode, raw_decode),
    "bf16": (bf16_encode, bf16_decode),
    "fp16": (fp16_encode, fp16_decode),
    "q8": q_codec(8),
    "q8+sr": q_codec(8, stochastic=True),
    "q4": q_codec(4),
    "q4+sr": q_codec(4, stochastic=True),
    **codec_iq.codecs(_SELF),
    **codec_rq.CODECS,
    **codec_block_float.CODECS,
    **codec_tk.codecs(_SELF),
    "x3": codec_x3.CODEC,
}

# Codecs with golden cases of their own, of more types than binary32.
TYPED = {
    "x3": codec_x3,
}
