#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Slow reference of the codecs, written from docs/codecs.md and from nothing else.

Exact rational arithmetic (fractions) throughout, rounded only where the document says so. Used by
tools/make_golden; it shares no code with src/codec on purpose. A float is given as its 32 bits.
"""

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
    x = abs(x)
    exponent = 1 - bias
    while x >= Fraction(2) ** (exponent + 1):
        exponent += 1
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


# ---- q8 ----

Q8_BLOCK, Q8_CHUNK, Q8_MIN_SCALE = 32, 4096, 8


def q8_step(scale):
    return Fraction(8 + scale % 8) * Fraction(2) ** (scale // 8 - 127 - 3)


def q8_inverse(scale):
    return float32(Fraction(8, 8 + scale % 8)) * Fraction(2) ** (127 - scale // 8)


def q8_scale(largest, levels):
    """The smallest scale whose step is not under the binary32 product largest * (1 / levels)."""
    wanted = float32(largest * float32(Fraction(1, levels)))
    scale = Q8_MIN_SCALE
    while q8_step(scale) < wanted:
        scale += 1
    return scale


def q8_code(bits, scale):
    if is_nan(bits):
        return -128
    if is_inf(bits):
        return -127 if bits >> 31 else 127
    return round_even(float32(value_of(bits) * q8_inverse(scale)))


def padded(data, multiple):
    return data + bytes(-len(data) % multiple)


def q8_encode_chunk(elements):
    blocks = [elements[i:i + Q8_BLOCK] for i in range(0, len(elements), Q8_BLOCK)]
    guarded = any(bits & 0x7FFFFFFF >= 0x7F000000 for bits in elements)
    scales = []
    for block in blocks:
        finite = [abs(value_of(b)) for b in block if b & 0x7FFFFFFF < INF_BITS]
        scales.append(q8_scale(max(finite, default=Fraction(0)), 126 if guarded else 127))
    top = max(scales)
    plane, codes = b"", b""
    for block, scale in zip(blocks, scales):
        byte = max(scale + 255 - top, 0)
        plane += bytes([byte])
        scale = byte + top - 255
        codes += bytes(q8_code(bits, scale) & 0xFF for bits in block)
    head = top.to_bytes(2, "little") + bytes([guarded]) + bytes(13)
    return head + padded(plane, 16) + padded(codes, 16)


def q8_decode_chunk(data, count):
    top, guarded = int.from_bytes(data[:2], "little"), data[2] == 1
    blocks = -(-count // Q8_BLOCK)
    codes_at = 16 + -(-blocks // 16) * 16
    out = []
    for i in range(count):
        scale = max(data[16 + i // Q8_BLOCK] + top - 255, Q8_MIN_SCALE)
        code = data[codes_at + i]
        code -= 256 if code > 127 else 0
        if guarded and code == -128:
            out.append(0x7FC00000)
        elif guarded and abs(code) == 127:
            out.append(INF_BITS | (0x80000000 if code < 0 else 0))
        else:
            x = code * q8_step(scale)
            if guarded:
                x = max(min(x, FLT_MAX), -FLT_MAX)
            out.append(bits_of(x))
    return out


def q8_chunk_bytes(count):
    blocks = -(-count // Q8_BLOCK)
    return 16 + -(-blocks // 16) * 16 + -(-count // 16) * 16


def q8_encode(elements):
    return b"".join(q8_encode_chunk(elements[i:i + Q8_CHUNK])
                    for i in range(0, len(elements), Q8_CHUNK))


def q8_decode(data, count):
    out = []
    while count:
        size = min(count, Q8_CHUNK)
        out += q8_decode_chunk(data, size)
        data, count = data[q8_chunk_bytes(size):], count - size
    return out


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
    "q8": (q8_encode, q8_decode),
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
