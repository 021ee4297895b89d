# SPDX-License-Identifier: Apache-2.0
"""Slow reference of codec x3, written from docs/codecs.md and from nothing else.

Elements are given as their bits; `size` is their bytes: 2 for bfloat16, 4 for binary32.
"""

CHUNK, BLOCK, ESCAPE = 4096, 256, 7


def round_up(n, multiple):
    return -(-n // multiple) * multiple


def cut(items, length):
    return [items[i:i + length] for i in range(0, len(items), length)]


def raw(elements, size):
    return b"".join(e.to_bytes(size, "little") for e in elements)


def fields(element, size):
    """Sign, exponent, mantissa of the upper half."""
    upper = element >> 8 * (size - 2)
    return upper >> 15, upper >> 7 & 0xFF, upper & 0x7F


def code(base, exponent):
    return min((base - exponent) % 256, ESCAPE)


def choose_base(exponents):
    def escapes(base):
        return sum(code(base, e) == ESCAPE for e in exponents)

    largest = max(exponents)
    if escapes(largest) <= 16:
        return largest
    candidates = range(largest, max(largest - 15, 0) - 1, -1)
    return min(candidates, key=lambda base: (escapes(base), -base))


def plane_width(length):
    return 8 * -(-length // 64)


def pack(codes):
    w = plane_width(len(codes))
    codes = codes + [0] * (8 * w - len(codes))
    lower = [sum((codes[j + 2 * w * k] & 3) << 2 * k for k in range(4)) for j in range(2 * w)]
    upper = [sum((codes[j + w * k] >> 2) << k for k in range(8)) for j in range(w)]
    return bytes(lower + upper)


def unpack(data, w):
    """All 8 * w codes, pads included."""
    return [(data[i % (2 * w)] >> 2 * (i // (2 * w)) & 3) |
            (data[2 * w + i % w] >> i // w & 1) << 2 for i in range(8 * w)]


def encode_chunk(elements, size):
    parts = [fields(element, size) for element in elements]
    bases, codes, escapes = [], b"", []
    for block in cut([e for _, e, _ in parts], BLOCK):
        base = choose_base(block)
        bases.append(base)
        block_codes = [code(base, e) for e in block]
        codes += pack(block_codes)
        escapes += [e for e, c in zip(block, block_codes) if c == ESCAPE]
    low = raw([e & 0xFFFF for e in elements], 2) if size == 4 else b""
    data = bytes(bases) + low + bytes(s << 7 | m for s, _, m in parts) + codes + bytes(escapes)
    data += bytes(-len(data) % 16)
    return data if len(data) < size * len(elements) else raw(elements, size)


def decode_chunk(data, count, size):
    if len(data) == count * size:
        return [int.from_bytes(part, "little") for part in cut(data, size)]
    lengths = [min(BLOCK, count - i) for i in range(0, count, BLOCK)]
    at = 0

    def take(length):
        nonlocal at
        at += length
        return data[at - length:at]

    bases = take(len(lengths))
    low = [int.from_bytes(part, "little") for part in cut(take(2 * count if size == 4 else 0), 2)]
    signs_and_mantissas = take(count)
    codes = []
    for base, length in zip(bases, lengths):
        w = plane_width(length)
        codes += [(base, c) for c in unpack(take(3 * w), w)[:length]]
    out = []
    for i, (base, c) in enumerate(codes):
        exponent = take(1)[0] if c == ESCAPE else (base - c) % 256
        sm = signs_and_mantissas[i]
        upper = (sm >> 7) << 15 | exponent << 7 | sm & 0x7F
        out.append(upper << 16 | low[i] if size == 4 else upper)
    assert round_up(at, 16) == len(data) and not any(data[at:])
    return out


def encode(elements, size):
    table, chunks = b"", b""
    for chunk in cut(elements, CHUNK):
        chunks += encode_chunk(chunk, size)
        table += len(chunks).to_bytes(8, "little")
    return table + bytes(-len(table) % 16) + chunks


def decode(data, count, size):
    chunks = -(-count // CHUNK)
    ends = [0] + [int.from_bytes(part, "little") for part in cut(data[:8 * chunks], 8)]
    data = data[round_up(8 * chunks, 16):]
    assert len(data) == ends[-1]
    out = []
    for i in range(chunks):
        out += decode_chunk(data[ends[i]:ends[i + 1]], min(CHUNK, count - i * CHUNK), size)
    return out


# ---- Cases of tools/make_golden ----

def cases(rng, size):
    """(name, elements as bits) that reach every part of the layout."""
    def element(exponent):
        return rng.getrandbits(1) << 8 * size - 1 | exponent << 8 * size - 9 | rng.getrandbits(
            8 * size - 9)

    def normal(n):
        # Exponents of a Gaussian: each octave below the first is half as likely.
        return [element(127 - min(bin(rng.getrandbits(30) | 1 << 30)[::-1].index("1"), 30))
                for _ in range(n)]

    yield "two_chunks", normal(4096 + 300)
    yield "one_too_many_for_a_block", normal(257)
    if size == 2:
        yield "whole_chunk", normal(4096)
        yield "raw_then_coded", [element(rng.getrandbits(8)) for _ in range(4096)] + normal(70)
    yield "outliers_lower_the_base", [
        element(140 if i % 250 == 7 else 120 - rng.getrandbits(2)) for i in range(600)]
    yield "half_escaped", [element(rng.choice([127, 3])) for _ in range(512)]
    yield "low_exponents", [element(rng.randrange(12)) for _ in range(512)]
    yield "all_specials", [element(255) for _ in range(64)] + [element(0) for _ in range(64)]


CODEC = (lambda elements: encode(elements, 4), lambda data, count: decode(data, count, 4))
TYPED = {name: (lambda elements, s=size: encode(elements, s),
                lambda data, count, s=size: decode(data, count, s), size)
         for name, size in (("float", 4), ("bfloat16", 2))}
