#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference decoder of docs/wire-format.md, laid out like that document; clear before fast.

    wire_format.py FILE...    prints the frames in each file

As a module: decode_frame(bytes) gives a Frame, raises NeedMore(bytes needed) or Bad(reason);
decode_unique_id(bytes) gives a UniqueId or raises Bad. Needs nothing but Python 3.
"""

import hashlib
import hmac
import ipaddress
import struct
import sys
from typing import NamedTuple

from xxh3 import xxh3_64


class Bad(Exception):
    """The bytes break the format; the text begins with the field's name."""


class NeedMore(Exception):
    """The bytes are the beginning of a frame of at least this many bytes."""

    def __init__(self, needed):
        super().__init__(f"needs {needed} bytes")
        self.needed = needed


# ---- Frames: header -----------------------------------------------------------------------------

MAGIC = b"TWF1"
VERSION = 1
HEADER_BYTES = 64
CHECKSUM_OFFSET = 56
MAX_PAYLOAD_BYTES = 16 << 20

# (offset, struct code, name), between version and checksum.
FIELDS = [
    (5, "B", "kind"), (6, "B", "codec"), (7, "B", "flags"), (8, "Q", "communicator"),
    (16, "I", "epoch"), (20, "H", "source"), (22, "H", "destination"), (24, "Q", "sequence"),
    (32, "Q", "count"), (40, "B", "operation"), (41, "B", "dtype"), (42, "B", "reduction"),
    (43, "B", "algorithm"), (44, "H", "root"), (46, "H", "message"), (48, "I", "segment"),
    (52, "I", "payload_bytes"),
]
KNOWN_FLAGS = 0x01  # point to point

# ---- Frames: kinds ------------------------------------------------------------------------------

KINDS = {1: "data", 2: "credit", 3: "heartbeat", 4: "goodbye", 5: "abort", 6: "resend", 7: "probe"}
KINDS_WITH_PAYLOAD = {1, 5, 7}


class Frame(NamedTuple):
    fields: dict
    payload: bytes
    size: int  # of header and payload


def checksum(head, payload):
    """Of the header's first 56 bytes and the payload."""
    return xxh3_64(payload, seed=xxh3_64(head))


def decode_frame(data):
    there = min(len(data), len(MAGIC))
    if data[:there] != MAGIC[:there]:
        raise Bad("magic: not a frame")
    if len(data) > 4 and data[4] != VERSION:
        raise Bad(f"version: {data[4]} is not {VERSION}")
    if len(data) < HEADER_BYTES:
        raise NeedMore(HEADER_BYTES)
    fields = {name: struct.unpack_from("<" + code, data, at)[0] for at, code, name in FIELDS}
    if fields["kind"] not in KINDS:
        raise Bad(f"kind: {fields['kind']} is unknown")
    if fields["flags"] & ~KNOWN_FLAGS:
        raise Bad(f"flags: {fields['flags']:#04x} has reserved bits")
    if fields["payload_bytes"] > MAX_PAYLOAD_BYTES:
        raise Bad(f"payload_bytes: {fields['payload_bytes']} is over the limit")
    if fields["payload_bytes"] and fields["kind"] not in KINDS_WITH_PAYLOAD:
        raise Bad(f"payload_bytes: a {KINDS[fields['kind']]} frame has no payload")
    size = HEADER_BYTES + fields["payload_bytes"]
    if len(data) < size:
        raise NeedMore(size)
    payload = data[HEADER_BYTES:size]
    if struct.unpack_from("<Q", data, CHECKSUM_OFFSET)[0] != checksum(data[:CHECKSUM_OFFSET], payload):
        raise Bad("checksum: the frame was changed on the way")
    return Frame(fields, payload, size)


# ---- Unique id ----------------------------------------------------------------------------------

UNIQUE_ID_BYTES = 128


class UniqueId(NamedTuple):
    port: int
    secret: bytes
    addresses: list  # of ipaddress objects, in the order of trial


def decode_unique_id(data):
    if len(data) != UNIQUE_ID_BYTES or data[:4] != b"TWID":
        raise Bad("unique id: not a Thinwire id")
    if data[4] != 1:
        raise Bad(f"unique id: version {data[4]}")
    if data[120:128] != hashlib.sha256(data[:120]).digest()[:8]:
        raise Bad("unique id: changed on the way")
    count, port = data[5], struct.unpack_from("<H", data, 6)[0]
    if count > 4:
        raise Bad(f"unique id: {count} addresses")
    addresses = []
    for at in range(40, 40 + 20 * count, 20):
        family, value = data[at], data[at + 4:at + 20]
        if family not in (4, 6):
            raise Bad(f"unique id: address family {family}")
        addresses.append(ipaddress.ip_address(value[:4] if family == 4 else value))
    return UniqueId(port, data[8:40], addresses)


def communicator_hash(unique_id):
    digest = hmac.digest(unique_id.secret, b"thinwire communicator", "sha256")
    return struct.unpack_from("<Q", digest)[0]


# ---- Rendezvous ---------------------------------------------------------------------------------


def joiner_proof(secret, root_nonce, hello_head):
    """Of the hello's first 56 bytes."""
    return hmac.digest(secret, b"thinwire joiner" + root_nonce + hello_head, "sha256")


def root_proof(secret, root_nonce, joiner_nonce):
    return hmac.digest(secret, b"thinwire root" + joiner_nonce + root_nonce, "sha256")


# ---- Proof and sealing --------------------------------------------------------------------------

INTRODUCTION_BYTES = 72
PROOF_MARK = b"TWPROOF1"
CHACHA20_POLY1305, AES_256_GCM = 0, 1
MESSAGES_PER_KEY = 1 << 40


class Introduction(NamedTuple):
    ciphers: int
    nonce: bytes
    public_key: bytes


def decode_address(data):
    """(name, introduction, the address that the inner transport gave)."""
    name, checksum_digits, body = data.split(b" ", 2)
    value = 0xCBF29CE484222325
    for byte in body:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    if checksum_digits != b"%016x" % value:
        raise Bad("address: changed on the way")
    if len(body) < INTRODUCTION_BYTES or body[0] != 1:
        raise Bad("introduction: cut off, or of another version")
    return name.decode(), Introduction(body[1], body[8:40], body[40:72]), body[INTRODUCTION_BYTES:]


def transcript(low_rank, low_address, high_rank, high_address):
    addresses = b"".join(struct.pack("<Q", len(a)) + a for a in (low_address, high_address))
    ranks = struct.pack("<II", low_rank, high_rank)
    return hashlib.sha256(b"thinwire transcript" + ranks + addresses).digest()


def proof_message(secret, of_transcript, source, target):
    ranks = struct.pack("<II", source, target)
    return PROOF_MARK + hmac.digest(secret, b"thinwire proof" + ranks + of_transcript, "sha256")


def message_key(secret, of_transcript, shared, cipher, source, target):
    session = hmac.digest(secret, b"thinwire session" + of_transcript + shared, "sha256")
    what = struct.pack("<BII", cipher, source, target)
    return hmac.digest(session, b"thinwire key" + what, "sha256")


def x25519(scalar, u_bytes):
    """RFC 7748, section 5."""
    prime = 2**255 - 19
    number = int.from_bytes(scalar, "little") & ~7 & ~(1 << 255) | 1 << 254
    u = int.from_bytes(u_bytes, "little") % (1 << 255)
    x2, z2, x3, z3 = 1, 0, u, 1
    for at in range(254, -1, -1):
        bit = number >> at & 1
        if bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        e = a * a - b * b
        x3, z3 = (d * a + c * b) ** 2 % prime, u * (d * a - c * b) ** 2 % prime
        x2, z2 = a * a * b * b % prime, e * (a * a + 121665 * e) % prime
        if bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, prime - 2, prime) % prime).to_bytes(32, "little")


def chacha20_block(key, counter, nonce):
    """RFC 8439, section 2.3."""
    start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), counter,
             *struct.unpack("<3I", nonce)]
    x = list(start)

    def quarter(a, b, c, d):
        for add_to, add, turn, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[add_to] = x[add_to] + x[add] & 0xFFFFFFFF
            turned = x[turn] ^ x[add_to]
            x[turn] = (turned << by | turned >> 32 - by) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for row in range(4):
            quarter(row, (row + 1) % 4 + 4, (row + 2) % 4 + 8, (row + 3) % 4 + 12)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(x, start)))


def chacha20(key, nonce, data):
    blocks = (chacha20_block(key, 1 + i, nonce) for i in range((len(data) + 63) // 64))
    return bytes(a ^ b for a, b in zip(data, b"".join(blocks)))


def poly1305_tag(key, nonce, ciphertext):
    """RFC 8439, sections 2.5 and 2.8, without associated data."""
    one_time = chacha20_block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    padded = ciphertext + bytes(-len(ciphertext) % 16) + struct.pack("<QQ", 0, len(ciphertext))
    total = 0
    for at in range(0, len(padded), 16):
        total = (total + int.from_bytes(padded[at:at + 16] + b"\1", "little")) * r % (2**130 - 5)
    return (total + int.from_bytes(one_time[16:32], "little")).to_bytes(17, "little")[:16]


def seal(key, number, message):
    """By ChaCha20-Poly1305."""
    nonce = bytes(4) + struct.pack("<Q", number)
    ciphertext = chacha20(key, nonce, message)
    return ciphertext + poly1305_tag(key, nonce, ciphertext) + nonce[4:]


def open_sealed(key, sealed):
    """(number, message) of what seal made; the receiver must still refuse repeated numbers."""
    if len(sealed) < 24:
        raise Bad("sealed message: cut short")
    ciphertext, tag, nonce = sealed[:-24], sealed[-24:-8], bytes(4) + sealed[-8:]
    number = struct.unpack("<Q", sealed[-8:])[0]
    if number >= MESSAGES_PER_KEY:
        raise Bad("sealed message: number out of range")
    if not hmac.compare_digest(tag, poly1305_tag(key, nonce, ciphertext)):
        raise Bad("sealed message: altered, or of others")
    return number, chacha20(key, nonce, ciphertext)


# ---- Program ------------------------------------------------------------------------------------


def print_file(path):
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at < len(data):
        frame = decode_frame(data[at:])
        values = " ".join(f"{name}={value}" for name, value in frame.fields.items())
        print(f"{path}:{at}: {KINDS[frame.fields['kind']]} {values}")
        at += frame.size


def main(paths):
    for path in paths:
        try:
            print_file(path)
        except (Bad, NeedMore) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
