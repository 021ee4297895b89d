# SPDX-License-Identifier: Apache-2.0
"""Slow reference of fp8, mxfp8, mxfp6, mxfp4 and nvfp4, written from docs/codecs.md alone.

A narrow format is the table of its finite numbers, as rationals, and rounding is a search for the
nearest of them. Operations of binary32 are exact ones rounded once. Floats come and go as 32 bits.
"""

import bisect
import struct
from fractions import Fraction

CHUNK = 4096
NAN, INF = 0x7FC00000, 0x7F800000
FLT_MAX = Fraction(2**24 - 1) * Fraction(2) ** 104


def value_of(bits):
    return Fraction(struct.unpack("<f", bits.to_bytes(4, "little"))[0])


def float32(x):
    """A rational rounded to binary32, to nearest, ties to even."""
    if x == 0:
        return Fraction(0)
    n, d = abs(x.numerator), x.denominator
    exponent = n.bit_length() - d.bit_length()
    if Fraction(n, d) < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (max(exponent, -126) - 23)
    return round(x / unit) * unit


def bits_of(x, negative):
    """The bits of a rational that binary32 holds or that is past all it holds."""
    sign = 0x80000000 if negative else 0
    if abs(x) > FLT_MAX:
        return sign | INF
    return sign | struct.unpack("<I", struct.pack("<f", float(abs(x))))[0]


class Format:
    """1 sign bit, `exponent_bits`, `mantissa_bits`; `largest` is the last finite pattern."""

    def __init__(self, exponent_bits, mantissa_bits, largest, infinity=None, nan=None):
        self.bits = 1 + exponent_bits + mantissa_bits
        self.sign = 1 << (self.bits - 1)
        self.infinity, self.nan, self.mantissa_bits = infinity, nan, mantissa_bits
        bias = 2 ** (exponent_bits - 1) - 1
        self.numbers = []
        for pattern in range(largest + 1):
            exponent, mantissa = divmod(pattern, 2**mantissa_bits)
            if exponent == 0:
                number = Fraction(mantissa, 2**mantissa_bits) * Fraction(2) ** (1 - bias)
            else:
                number = (1 + Fraction(mantissa, 2**mantissa_bits)) * Fraction(2) ** (exponent - bias)
            self.numbers.append(number)
        self.middles = [(a + b) / 2 for a, b in zip(self.numbers, self.numbers[1:])]
        self.largest = self.numbers[-1]
        self.emax = largest // 2**mantissa_bits - bias

    def nearest(self, magnitude):
        pattern = bisect.bisect_left(self.middles, magnitude)
        if pattern < len(self.middles) and magnitude == self.middles[pattern]:
            pattern += pattern % 2
        return pattern

    def special(self, bits):
        """The pattern of an Inf or NaN of binary32."""
        if bits & 0x7FFFFFFF == INF:
            return self.nan if self.infinity is None else self.infinity
        payload = bits >> (23 - self.mantissa_bits) & (2**self.mantissa_bits - 1)
        return self.nan | payload


E4M3 = Format(4, 3, 0x7E, nan=0x7F)
E5M2 = Format(5, 2, 0x7B, infinity=0x7C, nan=0x7E)
E2M3 = Format(2, 3, 0x1F)
E3M2 = Format(3, 2, 0x1F)
E2M1 = Format(2, 1, 0x7)


# ---- Scales: their block, bytes, step and its inverse ----

class Fp8:
    block, head, scale_bytes = 128, 0, 4

    def __init__(self, element):
        self.element = element

    def chunk_step(self, largest):
        return None

    def scale(self, largest, _):
        step = max(float32(largest / self.element.largest), Fraction(2) ** -126)
        return bits_of(step, False)

    def step(self, scale, _):
        return value_of(scale)

    def inverse(self, scale, _):
        return float32(1 / value_of(scale))


class Mx:
    block, head, scale_bytes, nan_scale = 32, 0, 1, 255

    def __init__(self, element):
        self.element = element

    def chunk_step(self, largest):
        return None

    def scale(self, largest, _):
        exponent = -127
        while largest >= Fraction(2) ** (exponent + self.element.emax + 1):
            exponent += 1
        return exponent + 127

    def step(self, scale, _):
        return None if scale == 255 else Fraction(2) ** (scale - 127)

    def inverse(self, scale, _):
        return 1 / self.step(scale, _)


class Nvfp4:
    block, head, scale_bytes, nan_scale, element = 16, 16, 1, 0x7F, E2M1

    def chunk_step(self, largest):
        return max(float32(largest / 2688), Fraction(2) ** -117)

    def scale(self, largest, chunk_step):
        inverse = float32(1 / float32(6 * chunk_step))
        return E4M3.nearest(float32(largest * inverse))

    def step(self, scale, chunk_step):
        if scale & 0x7F == 0x7F:
            return None
        return float32((-1) ** (scale >> 7) * E4M3.numbers[scale & 0x7F] * chunk_step)

    def inverse(self, scale, chunk_step):
        return Fraction(0) if scale == 0 else float32(1 / self.step(scale, chunk_step))


# ---- Chunks ----

def padded(data):
    return data + bytes(-len(data) % 16)


def finite(bits):
    return bits & 0x7FFFFFFF < INF


def encode_chunk(layout, elements):
    element = layout.element
    blocks = [elements[i:i + layout.block] for i in range(0, len(elements), layout.block)]
    largest = [max((abs(value_of(b)) for b in block if finite(b)), default=Fraction(0))
               for block in blocks]
    chunk_step = layout.chunk_step(max(largest))
    scales, codes = [], []
    for block, most in zip(blocks, largest):
        scale = layout.scale(most, chunk_step)
        if element.nan is None and not all(map(finite, block)):
            scales.append(layout.nan_scale)
            codes += [0] * len(block)
            continue
        scales.append(scale)
        inverse = layout.inverse(scale, chunk_step)
        for bits in block:
            sign = element.sign if bits >> 31 else 0
            if finite(bits):
                codes.append(sign | element.nearest(float32(abs(value_of(bits)) * inverse)))
            else:
                codes.append(sign | element.special(bits))
    head = padded(bits_of(chunk_step, False).to_bytes(4, "little")) if layout.head else b""
    scale_plane = b"".join(s.to_bytes(layout.scale_bytes, "little") for s in scales)
    number = sum(code << element.bits * i for i, code in enumerate(codes))
    code_plane = number.to_bytes(-(-len(codes) * element.bits // 8), "little")
    return head + padded(scale_plane) + padded(code_plane)


def chunk_bytes(layout, count):
    scales = -(-count // layout.block) * layout.scale_bytes
    codes = -(-count * layout.element.bits // 8)
    return layout.head, -(-scales // 16) * 16, -(-codes // 16) * 16


def decode_chunk(layout, data, count):
    element = layout.element
    head, scale_plane, _ = chunk_bytes(layout, count)
    chunk_step = value_of(int.from_bytes(data[:4], "little")) if head else None
    number = int.from_bytes(data[head + scale_plane:], "little")
    out = []
    for i in range(count):
        at = head + i // layout.block * layout.scale_bytes
        scale = int.from_bytes(data[at:at + layout.scale_bytes], "little")
        step = layout.step(scale, chunk_step)
        code = number & (2**element.bits - 1)
        number >>= element.bits
        pattern, negative = code & ~element.sign, code & element.sign != 0
        if step is not None and pattern < len(element.numbers):
            value = float32(element.numbers[pattern] * step)
            out.append(bits_of(value, negative != (value < 0)))
        elif step is not None and pattern == element.infinity:
            out.append(INF | (0x80000000 if negative else 0))
        else:
            out.append(NAN)
    return out


def codec(layout):
    def encode(elements):
        return b"".join(encode_chunk(layout, elements[i:i + CHUNK])
                        for i in range(0, len(elements), CHUNK))

    def decode(data, count):
        out = []
        while count:
            size = min(count, CHUNK)
            length = sum(chunk_bytes(layout, size))
            out += decode_chunk(layout, data[:length], size)
            data, count = data[length:], count - size
        return out

    return encode, decode


CODECS = {
    "fp8": codec(Fp8(E4M3)),
    "fp8(e5m2)": codec(Fp8(E5M2)),
    "mxfp8": codec(Mx(E4M3)),
    "mxfp8(e5m2)": codec(Mx(E5M2)),
    "mxfp6": codec(Mx(E2M3)),
    "mxfp6(e3m2)": codec(Mx(E3M2)),
    "mxfp4": codec(Mx(E2M1)),
    "nvfp4": codec(Nvfp4()),
}
