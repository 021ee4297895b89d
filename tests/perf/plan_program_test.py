# SPDX-License-Identifier: Apache-2.0
"""thinwire-plan: its predictions keep to what links allow, its plans name every step."""

import json
import re
import unittest

import program

LINK = ["--link", "rate=500mbit,delay=20ms"]
RATE = 500e6 / 8
DELAY = 20e-3


class PlanProgramTest(unittest.TestCase):
    def predict(self, *flags):
        status, out, error = program.run("THINWIRE_PLAN", *flags, "--json")
        self.assertEqual(status, 0, error)
        return json.loads(out)

    def test_the_chosen_algorithm_is_the_quickest(self):
        for size in ["8", "1M", "64M"]:
            rows = self.predict("all_reduce", "--bytes", size, "--ranks", "4", *LINK)
            self.assertEqual({row["algo"] for row in rows}, 
                             {"sra", "one-shot", "grid", "halving-doubling", "recursive-doubling",
                              "double-tree", "ring"})
            chosen = [row for row in rows if row["chosen"]]
            self.assertEqual(len(chosen), 1)
            quickest = min(row["seconds"] for row in rows)
            self.assertLess(chosen[0]["seconds"], quickest / 0.95)  # of equals the best known

    def test_predictions_keep_to_the_link(self):
        for row in self.predict("all_reduce", "--bytes", "64M", "--ranks", "4", *LINK):
            self.assertGreater(row["seconds"], DELAY + row["wire_bytes"] / RATE)
        sra = self.predict("all_reduce", "--bytes", "64M", "--ranks", "4", "--algo", "sra", *LINK)
        self.assertEqual(len(sra), 1)
        self.assertGreaterEqual(sra[0]["wire_bytes"], 2 * 3 / 4 * (64 << 20))
        self.assertLess(sra[0]["seconds"], 1.2 * (2 * DELAY + sra[0]["wire_bytes"] / RATE))

    def test_one_hop_of_eight_bytes_takes_one_latency(self):
        rows = self.predict("all_reduce", "--bytes", "8", "--ranks", "4", *LINK)
        chosen = next(row for row in rows if row["chosen"])
        self.assertEqual(chosen["algo"], "one-shot")
        self.assertGreater(chosen["seconds"], DELAY)
        self.assertLess(chosen["seconds"], 1.1 * DELAY)

    def test_a_codec_saves_what_it_says(self):
        flags = ["all_reduce", "--bytes", "64M", "--algo", "sra", *LINK]
        raw = self.predict(*flags)[0]
        q8 = self.predict(*flags, "--codec", "q8")[0]
        self.assertAlmostEqual(raw["wire_bytes"] / q8["wire_bytes"], 32 / 8.28, delta=0.05)
        self.assertGreater(raw["seconds"] / q8["seconds"], 3)

    def test_every_operation_has_a_plan(self):
        for operation in ["all_reduce", "reduce_scatter", "all_gather", "all_to_all", "broadcast",
                          "reduce", "barrier"]:
            rows = self.predict(operation, "--bytes", "1M", "--ranks", "3")
            self.assertGreater(rows[0]["seconds"], 0)

    def test_steps_send_and_receive_with_every_peer(self):
        status, out, error = program.run("THINWIRE_PLAN", "all_reduce", "--bytes", "1M", "--ranks",
                                         "4", "--algo", "sra", "--rank", "2", "--steps")
        self.assertEqual(status, 0, error)
        self.assertIn("rank 2 of 4", out)
        for peer in [0, 1, 3]:
            self.assertEqual(len(re.findall(rf"send .*-> rank {peer} ", out)), 2, out)
            self.assertEqual(len(re.findall(rf"receive rank {peer} ", out)), 2, out)

    def test_a_refused_request_names_what_is_wrong(self):
        for flags, word in [
            (["all_reduce", "--codec", "q9"], "q9"),
            (["all_reduce", "--codec", "q8", "-d", "int32"], "int32"),
            (["all_reduce", "--algo", "spiral"], "spiral"),
            (["broadcast", "--algo", "one-shot"], "one-shot"),
            (["all_reduce", "--link", "rate=fast"], "fast"),
            (["all_reduce", "--rank", "4"], "--rank"),
            (["all_squash"], "all_squash"),
        ]:
            with self.subTest(flags=flags):
                status, _, error = program.run("THINWIRE_PLAN", *flags)
                self.assertNotEqual(status, 0)
                self.assertIn(word, error)


if __name__ == "__main__":
    unittest.main()
