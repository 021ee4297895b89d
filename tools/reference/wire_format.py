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
