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


class Xxh3(unittest.TestCase):
    """Published vectors; the golden frames check the rest against the C library."""

    def test_empty(self):
        self.assertEqual(xxh3_64(b""), 0x2D06800538D394C2)


if __name__ == "__main__":
    unittest.main()
