# SPDX-License-Identifier: Apache-2.0
"""Slow reference of codecs `iq8` and `iq4`, written from docs/codecs.md; registered by codecs.py."""

from fractions import Fraction

BLOCK, CHUNK = 256, 4096
NAN_STEP, NAN_BITS = 0x7FC0, 0x7FC00000


def codecs(lib, contributions=1):
    """{spec: (encode, decode)}; `lib` has the arithmetic of codecs.py."""

    def step_of(block, levels):
        """The bfloat16 step of a block: 4 significant bits, rounded up."""
        if any(b & 0x7FFFFFFF >= lib.INF_BITS for b in block):
            return NAN_STEP
        largest = max(lib.value_of(b & 0x7FFFFFFF) for b in block)
        bits = lib.bits_of(largest * lib.float32(Fraction(1, levels)))
        return max((bits + 0xFFFFF) >> 20, 8) << 4

    def planes(width):
        """(bits, shift) of each plane."""
        shift = 0
        while shift < width:
            bits = next(b for b in (8, 4, 2, 1) if b <= width - shift)
            yield bits, shift
            shift += bits

    def sizes(count):
        steps = -(-(-(-count // BLOCK) * 2) // 16) * 16
        return steps, -(-count // 128) * 128

    def encode_chunk(elements, levels, width):
        offset = levels * contributions
        step_bytes, padded = sizes(len(elements))
        steps, codes = b"", []
        for begin in range(0, len(elements), BLOCK):
            block = elements[begin:begin + BLOCK]
            step = step_of(block, levels)
            steps += step.to_bytes(2, "little")
            for b in block:
                if step == NAN_STEP:
                    code = 0
                else:
                    inverse = lib.float32(1 / lib.value_of(step << 16))
                    code = lib.round_even(lib.float32(lib.value_of(b) * inverse))
                codes.append(code + offset)
        codes += [0] * (padded - len(codes))
        data = steps.ljust(step_bytes, b"\0")
        for bits, shift in planes(width):
            size = padded * bits // 8
            data += bytes(
                sum((codes[i + k * size] >> shift & (1 << bits) - 1) << k * bits
                    for k in range(8 // bits)) for i in range(size))
        return data

    def decode_chunk(data, count, levels, width):
        step_bytes, padded = sizes(count)
        codes, at = [0] * padded, step_bytes
        for bits, shift in planes(width):
            size = padded * bits // 8
            for i in range(size):
                for k in range(8 // bits):
                    codes[i + k * size] |= (data[at + i] >> k * bits & (1 << bits) - 1) << shift
            at += size
        out = []
        for i in range(count):
            b = i // BLOCK * 2
            step = int.from_bytes(data[b:b + 2], "little")
            if step & 0x7FFF >= 0x7F80:
                out.append(NAN_BITS)
                continue
            value = lib.value_of(step << 16) * (codes[i] - levels * contributions)
            out.append(lib.bits_of(value))
        return out

    def family(levels):
        width = (2 * levels * contributions).bit_length()

        def encode(elements):
            return b"".join(encode_chunk(elements[i:i + CHUNK], levels, width)
                            for i in range(0, len(elements), CHUNK))

        def decode(data, count):
            out = []
            while count:
                size = min(count, CHUNK)
                out += decode_chunk(data, size, levels, width)
                steps, padded = sizes(size)
                data, count = data[steps + padded * width // 8:], count - size
            return out

        return encode, decode

    return {"iq8": family(127), "iq4": family(7)}
