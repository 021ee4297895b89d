# SPDX-License-Identifier: Apache-2.0
"""thinwire-plan cost: its table is the arithmetic it claims to be, and ours where codecs are."""

import json
import unittest

import program

PARAMETERS = 175e9
RANKS = 100
EVERY = 100
GBIT = 1e9 / 8

# What is published or follows from it, as printed there. Bits a parameter; vector in GB; one way at
# 25 and 1 Gbit/s in s; all ranks in TB; SRA at 1 Gbit/s in s; the same a step, one exchange in 100.
PUBLISHED = {
    "fp32": ("32", "700", "224", "5600", "70", "11088", "111"),
    "bf16": ("16", "350", "112", "2800", "35", "5544", "55"),
    "int8 b128": ("8.125", "178", "57", "1422", "17.8", "2815", "28"),
    "int4 b128": ("4.125", "90", "29", "722", "9.0", "1429", "14.3"),
    "2-bit b128": ("2.125", "46", "15", "372", "4.6", "736", "7.4"),
    "1-bit": ("1.0", "22", "7.0", "175", "2.2", "347", "3.5"),
    "SparseLoCo": (".227", "5.0", "1.6", "40", ".50", "79", ".79"),
    "Cocktail": (".1825", "4.0", "1.3", "32", ".40", "63", ".63"),
    "10 stages, int4": (".41", "9.0", "2.9", "72", ".90", "143", "1.4"),
}

# The same to more digits than the table prints, worked out by hand from bits a parameter.
BITS = {
    "fp32": 32,
    "bf16": 16,
    "int8 b128": 8 + 16 / 128,
    "int4 b128": 4 + 16 / 128,
    "2-bit b128": 2 + 16 / 128,
    "1-bit": 1,
    "SparseLoCo": (64 * 14 + 32) / 4096,
    "Cocktail": 0.1 * (1 + 0.2 * (4 + 16 / 128)),
    "10 stages, int4": (4 + 16 / 128) / 10,
}


def digits_after_point(text):
    return len(text.partition(".")[2])


class PlanCostProgramTest(unittest.TestCase):
    def rows(self, *flags):
        status, out, error = program.run("THINWIRE_PLAN", "cost", *flags, "--json")
        self.assertEqual(status, 0, error)
        return json.loads(out)

    def cells(self):
        """{wire: figures in the columns of PUBLISHED} of the table that no flags print."""
        at = {(row["wire"], row["rate"]): row for row in self.rows()}
        self.assertEqual({wire for wire, _ in at}, set(PUBLISHED))
        table = {}
        for wire in PUBLISHED:
            fast, slow = at[wire, 25 * GBIT], at[wire, GBIT]
            table[wire] = (
                slow["bits_per_parameter"],
                slow["vector_bytes"] / 1e9,
                fast["one_way_seconds"],
                slow["one_way_seconds"],
                slow["all_vectors_bytes"] / 1e12,
                slow["all_reduce_seconds"],
                slow["seconds_per_step"],
            )
        return table

    def test_every_cell_is_the_published_one(self):
        for wire, cells in self.cells().items():
            for mine, published in zip(cells, PUBLISHED[wire], strict=True):
                with self.subTest(wire=wire, published=published):
                    half_a_digit = 0.5001 * 10 ** -digits_after_point(published)
                    self.assertLessEqual(abs(mine - float(published)), half_a_digit)

    def test_every_cell_has_four_right_digits(self):
        for wire, cells in self.cells().items():
            vector = PARAMETERS * BITS[wire] / 8
            summed = 2 * (RANKS - 1) / RANKS * vector / GBIT
            expected = (BITS[wire], vector / 1e9, vector / (25 * GBIT), vector / GBIT,
                        RANKS * vector / 1e12, summed, summed / EVERY)
            for mine, right in zip(cells, expected, strict=True):
                with self.subTest(wire=wire, right=right):
                    self.assertLess(abs(mine / right - 1), 0.5e-4)

    def test_the_articles_figures_stand_in_the_printed_table(self):
        status, out, error = program.run("THINWIRE_PLAN", "cost")
        self.assertEqual(status, 0, error)
        words = next(line for line in out.splitlines() if "fp32" in line).split()
        for word in ["224", "5600", "70", "1.386", "11088", "110.9"]:
            self.assertIn(word, words)

    def test_codecs_cost_what_they_encode_to(self):
        rows = self.rows("--codec", "raw", "--codec", "q8", "--codec", "rq4", "--link", "rate=1gbit")
        bits = {row["wire"]: row["bits_per_parameter"] for row in rows}
        self.assertEqual(bits["raw"], 32)
        self.assertAlmostEqual(bits["q8"], 8.28, delta=0.01)
        self.assertAlmostEqual(bits["rq4"], 4.06, delta=0.01)

    def test_latency_counts_once_a_hop(self):
        flags = ["--bits", "32", "--ranks", "8", "--parameters", "2", "--every", "1"]
        for algorithm, hops in [("one-shot", 1), ("sra", 2), ("sra-2d", 4), ("ring", 14),
                                ("doubling", 3), ("halving-doubling", 6), ("double-tree", 6)]:
            with self.subTest(algorithm=algorithm):
                row = self.rows(*flags, "--algo", algorithm, "--link", "rate=1gbit,delay=50ms")[0]
                self.assertAlmostEqual(row["all_reduce_seconds"], hops * 50e-3, delta=1e-5)

    def test_a_star_moves_all_vectors_twice_over_one_link(self):
        row = self.rows("--bits", "32", "--algo", "star", "--link", "rate=1gbit")[0]
        self.assertAlmostEqual(row["all_reduce_seconds"], 2 * 70e12 / GBIT, delta=1)

    def test_exchanges_cost_what_plans_send(self):
        for algorithm in ["one-shot", "sra", "ring"]:
            with self.subTest(algorithm=algorithm):
                row = self.rows("--parameters", str(1 << 22), "--ranks", "6", "--codec", "rq4",
                                "--algo", algorithm, "--link", "rate=1gbit")[0]
                status, out, error = program.run(
                    "THINWIRE_PLAN", "all_reduce", "--bytes", "16M", "--ranks", "6", "--codec",
                    "rq4", "--algo", algorithm, "--json")
                self.assertEqual(status, 0, error)
                sent = json.loads(out)[0]["wire_bytes"]
                self.assertGreaterEqual(sent, 0.999 * row["sent_bytes"])
                self.assertLess(sent, 1.02 * row["sent_bytes"])

    def test_a_refused_question_names_what_is_wrong(self):
        for flags, word in [
            (["--codec", "q9"], "q9"),
            (["--codec", "iq8"], "iq8"),
            (["--bits", "few"], "few"),
            (["--algo", "spiral"], "spiral"),
            (["--link", "delay=20ms"], "no rate"),
            (["--ranks", "1"], "--ranks"),
        ]:
            with self.subTest(flags=flags):
                status, _, error = program.run("THINWIRE_PLAN", "cost", *flags)
                self.assertEqual(status, 2)
                self.assertIn(word, error)


if __name__ == "__main__":
    unittest.main()
