# SPDX-License-Identifier: Apache-2.0
"""Slow reference of codec `tk`, written from docs/codecs.md; registered by codecs.py."""

from fractions import Fraction

CHUNK = 4096


def ceil_divide(a, b):
    return -(-a // b)


class TopK:
    """tk(k,value) with k a count of 4096; `base` is the module codecs.py, for its roundings."""

    def __init__(self, base, k, value):
        self.base, self.k, self.value = base, k, value
        self.largest_code = {"q4": 7, "q8": 127}.get(value)

    def kept(self, n):
        return max(1, ceil_divide(self.k * n, CHUNK))

    def key(self, bits):
        return 0x7F800001 if self.base.is_nan(bits) else bits & 0x7FFFFFFF

    def chunk_bytes(self, k):
        head = 2 if self.largest_code else 0
        values = ceil_divide(k * {"q4": 4, "q8": 8, "bf16": 16, "raw": 32}[self.value], 8)
        return ceil_divide(head + ceil_divide(3 * k, 2) + values, 16) * 16

    # ---- Encoding ----

    def step(self, sent, guarded):
        """The bits of the smallest bfloat16 that is not under M / levels, at least 2^-126."""
        base = self.base
        levels = self.largest_code - (1 if guarded else 0)
        finite = [abs(base.value_of(b)) for b in sent if b & 0x7FFFFFFF < base.INF_BITS]
        wanted = base.float32(max(finite, default=Fraction(0)) *
                              base.float32(Fraction(1, levels)))
        bits = base.bits_of(wanted) >> 16  # the largest bfloat16 that is not above
        if base.value_of(bits << 16) < wanted:
            bits += 1
        return max(bits, 0x0080)

    def code(self, bits, step):
        base = self.base
        if base.is_nan(bits):
            return -self.largest_code - 1
        if base.is_inf(bits):
            return -self.largest_code if bits >> 31 else self.largest_code
        inverse = base.float32(1 / base.value_of(step << 16))
        return base.round_even(base.float32(base.value_of(bits) * inverse))

    def encode_chunk(self, elements):
        k = self.kept(len(elements))
        ranked = sorted(range(len(elements)), key=lambda i: (-self.key(elements[i]), i))
        indices = sorted(ranked[:k])
        sent = [elements[i] for i in indices]
        out = b""
        if self.largest_code:
            guarded = any(b & 0x7FFFFFFF >= 0x7F000000 for b in sent)
            step = self.step(sent, guarded)
            out += (step | (0x8000 if guarded else 0)).to_bytes(2, "little")
            values = [self.code(b, step) for b in sent]
        for i in range(0, k, 2):
            pair = sum(index << 12 * j for j, index in enumerate(indices[i:i + 2]))
            out += pair.to_bytes(3 if i + 1 < k else 2, "little")
        if self.value == "q4":
            values += [0] * (k % 2)
            out += bytes(values[i] & 15 | (values[i + 1] & 15) << 4
                         for i in range(0, len(values), 2))
        elif self.value == "q8":
            out += bytes(value & 255 for value in values)
        elif self.value == "bf16":
            out += self.base.bf16_encode(sent)
        else:
            out += self.base.raw_encode(sent)
        return out + bytes(self.chunk_bytes(k) - len(out))

    # ---- Decoding ----

    def decode_code(self, code, step, guarded):
        base = self.base
        if guarded and code < -self.largest_code:
            return 0x7FC00000
        if guarded and abs(code) == self.largest_code:
            return base.INF_BITS | (0x80000000 if code < 0 else 0)
        x = code * base.value_of(step << 16)
        if guarded:
            x = max(min(x, base.FLT_MAX), -base.FLT_MAX)
        return base.bits_of(x)

    def decode_chunk(self, data, count):
        k, at = self.kept(count), 2 if self.largest_code else 0
        planes = data[at:]
        indices = []
        for i in range(k):
            three = int.from_bytes(planes[i // 2 * 3:i // 2 * 3 + 3], "little")
            indices.append(three >> 12 * (i % 2) & 0xFFF)
        assert all(a < b for a, b in zip(indices, indices[1:] + [count]))
        planes = planes[ceil_divide(3 * k, 2):]
        if self.largest_code:
            head = int.from_bytes(data[:2], "little")
            width = 4 if self.value == "q4" else 8
            every = int.from_bytes(planes, "little")
            codes = [every >> width * i & (1 << width) - 1 for i in range(k)]
            codes = [code - (1 << width) if code >> width - 1 else code for code in codes]
            values = [self.decode_code(code, head & 0x7FFF, head >> 15 == 1) for code in codes]
        elif self.value == "bf16":
            values = self.base.bf16_decode(planes, k)
        else:
            values = self.base.raw_decode(planes, k)
        out = [0] * count
        for index, value in zip(indices, values):
            out[index] = value
        return out

    # ---- Runs ----

    def encode(self, elements):
        return b"".join(self.encode_chunk(elements[i:i + CHUNK])
                        for i in range(0, len(elements), CHUNK))

    def decode(self, data, count):
        out = []
        while count:
            size = min(count, CHUNK)
            out += self.decode_chunk(data, size)
            data, count = data[self.chunk_bytes(self.kept(size)):], count - size
        return out


def codecs(base):
    """{spec: (encode, decode)}; percentages of 4096 rounded up."""
    made = {}
    for spec, k, value in [("tk(1%,q4)", 41, "q4"), ("tk(10%,q8)", 410, "q8"),
                           ("tk(100,bf16)", 100, "bf16"), ("tk(1%,raw)", 41, "raw")]:
        codec = TopK(base, k, value)
        made[spec] = (codec.encode, codec.decode)
    return made
