# SPDX-License-Identifier: Apache-2.0
"""reference_test.py ROOT: the reference decoder against golden files and the document's examples."""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(sys.argv.pop(1))
sys.path.insert(0, str(ROOT / "tools" / "reference"))
import wire_format as wire  # noqa: E402
from xxh3 import xxh3_64  # noqa: E402


def hex_block(name):
    document = (ROOT / "docs" / "wire-format.md").read_text()
    lines = re.search(f"^```hex {name}\n(.*?)^```", document, re.MULTILINE | re.DOTALL)[1]
    return b"".join(bytes.fromhex(line.split(":")[1].split("#")[0]) for line in lines.splitlines())


def golden(folder):
    paths = sorted((ROOT / "tests" / "golden" / folder).glob("*.bin"))
    assert paths, folder
    for path in paths:
        expected = dict(line.split("=") for line in path.with_suffix(".txt").read_text().split())
        yield path.name, path.read_bytes(), expected


class Golden(unittest.TestCase):
    def test_good_frames_parse_to_their_fields(self):
        for name, data, expected in golden("frames"):
            with self.subTest(name):
                fields = wire.decode_frame(data).fields
                self.assertEqual({key: str(value) for key, value in fields.items()}, expected)

    def test_bad_frames_give_their_error(self):
        for name, data, expected in golden("frames-bad"):
            with self.subTest(name):
                if "bad" in expected:
                    with self.assertRaisesRegex(wire.Bad, "^" + expected["bad"]):
                        wire.decode_frame(data)
                else:
                    with self.assertRaises(wire.NeedMore) as caught:
                        wire.decode_frame(data)
                    self.assertEqual(str(caught.exception.needed), expected["need_more"])


class Document(unittest.TestCase):
    def setUp(self):
        self.unique_id = wire.decode_unique_id(hex_block("unique-id"))

    def test_frame(self):
        frame = wire.decode_frame(hex_block("frame"))
        self.assertEqual(frame.fields["sequence"], 41)
        self.assertEqual(frame.fields["communicator"], wire.communicator_hash(self.unique_id))

    def test_unique_id(self):
        self.assertEqual(self.unique_id.port, 40000)
        self.assertEqual([str(a) for a in self.unique_id.addresses], ["10.0.0.7", "2001:db8::7"])

    def test_proofs(self):
        secret, hello, root_nonce = self.unique_id.secret, hex_block("hello"), hex_block("greeting")[8:]
        self.assertEqual(hello[56:], wire.joiner_proof(secret, root_nonce, hello[:56]))
        self.assertEqual(hex_block("accepted")[8:], wire.root_proof(secret, root_nonce, hello[24:56]))

    def test_changed_unique_ids_are_refused(self):
        good = hex_block("unique-id")
        for at in range(len(good)):
            with self.assertRaises(wire.Bad):
                wire.decode_unique_id(good[:at] + bytes([good[at] ^ 4]) + good[at + 1:])


class Sealing(unittest.TestCase):
    def setUp(self):
        self.secret = wire.decode_unique_id(hex_block("unique-id")).secret
        self.addresses = [hex_block("address-of-0"), hex_block("address-of-1")]
        self.transcript = wire.transcript(0, self.addresses[0], 1, self.addresses[1])

    def test_addresses(self):
        name, introduction, inner = wire.decode_address(self.addresses[1])
        self.assertEqual((name, inner), ("sealed(ucx)", b"ucx of 1"))
        self.assertEqual(introduction.ciphers, 1 << wire.CHACHA20_POLY1305)
        with self.assertRaises(wire.Bad):
            wire.decode_address(self.addresses[1][:-1])

    def test_proof(self):
        self.assertEqual(wire.proof_message(self.secret, self.transcript, 0, 1), hex_block("proof"))

    def test_keys(self):
        private = [bytes(range(0x20, 0x40)), bytes(range(0x40, 0x60))]
        public = [wire.decode_address(address)[1].public_key for address in self.addresses]
        for own in (0, 1):
            self.assertEqual(wire.x25519(private[own], public[1 - own]), hex_block("shared"))
        key = wire.message_key(self.secret, self.transcript, hex_block("shared"),
                               wire.CHACHA20_POLY1305, 0, 1)
        self.assertEqual(key, hex_block("message-key"))

    def test_sealed_message(self):
        key, sealed = hex_block("message-key"), hex_block("sealed-message")
        self.assertEqual(wire.open_sealed(key, sealed), (7, b"gradient"))
        self.assertEqual(wire.seal(key, 7, b"gradient"), sealed)
        for at in range(len(sealed)):
            with self.assertRaises(wire.Bad):
                wire.open_sealed(key, sealed[:at] + bytes([sealed[at] ^ 4]) + sealed[at + 1:])


class Primitives(unittest.TestCase):
    """Published vectors."""

    def test_x25519(self):  # RFC 7748, section 5.2
        nine = b"\x09" + bytes(31)
        self.assertEqual(wire.x25519(nine, nine).hex(),
                         "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079")

    def test_chacha20(self):  # RFC 8439, section 2.4.2
        text = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
                b"the future, sunscreen would be it.")
        ciphertext = wire.chacha20(bytes(range(32)), bytes(7) + b"\x4a" + bytes(4), text)
        self.assertEqual(ciphertext[:16].hex(), "6e2e359a2568f98041ba0728dd0d6981")


class Xxh3(unittest.TestCase):
    """Published vectors; the golden frames check the rest against the C library."""

    def test_empty(self):
        self.assertEqual(xxh3_64(b""), 0x2D06800538D394C2)


if __name__ == "__main__":
    unittest.main()
