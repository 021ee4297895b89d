# SPDX-License-Identifier: Apache-2.0
"""thinwire-perf: every operation, type, reduction and algorithm is right; errors are noticed."""

import os
import unittest

import program

TRANSPORTS = ["loopback"] + (["ucx"] if os.environ.get("THINWIRE_HAVE_UCX") == "ON" else [])
REDUCING = ["all_reduce", "reduce_scatter", "reduce"]
MOVING = ["all_gather", "all_to_all", "broadcast", "send_recv"]
INTEGERS = {"int8", "uint8", "int32", "uint32", "int64", "uint64"}
TYPES = INTEGERS | {"half", "float", "double", "bfloat16", "f8e4m3", "f8e5m2"}
# One short and one of several segments' worth of odd ends; no warm-up: the first call counts.
SIZES = ["-b", "40", "-e", "40000", "-f", "1000", "-n", "1", "-w", "0"]
# How much more a bus carries than the row's size says (nccl-tests, PERFORMANCE.md).
BUS = {
    "all_reduce": 2 * (program.RANKS - 1) / program.RANKS,
    "reduce_scatter": (program.RANKS - 1) / program.RANKS,
    "all_gather": (program.RANKS - 1) / program.RANKS,
    "all_to_all": (program.RANKS - 1) / program.RANKS,
}
Q8_BOUND = 0.004466  # of a block's largest element (docs/codecs.md)


class PerfProgramTest(unittest.TestCase):
    def check_rows(self, operation, rows, output):
        self.assertTrue(rows, output)
        for row in rows:
            with self.subTest(row=row):
                self.assertEqual(row["op"], operation)
                self.assertEqual(row["wrong"], 0)
                self.assertEqual(row["ranks"], program.RANKS)
                self.assertEqual(row["device"], "host")
                self.assertIsNone(row["issue_us"])
                self.assertLessEqual(row["time_us_min"], row["time_us"])
                self.assertLessEqual(row["time_us"], row["time_us_max"])
                self.assertGreater(row["time_us_min"], 0)
                self.assertAlmostEqual(row["busbw"], row["algbw"] * BUS.get(operation, 1))
                self.assertAlmostEqual(row["algbw"], row["bytes"] / row["time_us"] / 1e3)
                self.assertGreater(row["wire_bytes"], 0)

    def run_all(self, operation, *flags):
        status, rows, output = program.perf(operation, *SIZES, "-d", "all", "-o", "all", *flags)
        self.assertEqual(status, 0, output)
        self.check_rows(operation, rows, output)
        self.assertEqual({row["dtype"] for row in rows}, TYPES)
        return rows

    def test_exact_results_are_exact(self):
        for transport in TRANSPORTS:
            for operation in REDUCING + MOVING:
                with self.subTest(transport=transport, operation=operation):
                    rows = self.run_all(operation, "--transport", transport)
                    apart = operation in ("send_recv", "all_to_all")
                    places = {False} if apart else {False, True}
                    self.assertEqual({row["in_place"] for row in rows}, places)
                    self.assertEqual({row["codec"] for row in rows}, {"raw"})
                    self.assertEqual({row["transport"] for row in rows}, {transport})
                    self.assertEqual(max(row["rel_error"] for row in rows), 0)
                    expected = {"sum", "prod", "max", "min", "avg"}
                    self.assertEqual(
                        {row["redop"] for row in rows},
                        expected if operation in REDUCING else {"none"},
                    )

    def test_a_group_of_calls_is_as_one(self):
        for operation in ["all_reduce", "broadcast", "reduce", "send_recv"]:
            with self.subTest(operation=operation):
                self.run_all(operation, "--transport", "loopback", "-m", "37")
        status, _, output = program.perf("all_gather", *SIZES, "-m", "2")
        self.assertEqual(status, 2, output)
        self.assertIn("all_gather", output)

    def test_every_algorithm_is_exact_and_within_the_bound(self):
        for algorithm in ["sra", "ring", "one-shot", "grid", "halving-doubling",
                          "recursive-doubling", "double-tree"]:
            for codec in ["raw", "q8", "bf16"]:
                with self.subTest(algorithm=algorithm, codec=codec):
                    rows = self.run_all("all_reduce", "--transport", "loopback", "--algo",
                                        algorithm, "--codec", codec)
                    self.assertEqual({row["algo"] for row in rows}, {algorithm})

    def test_q8_compresses_floats_and_leaves_the_rest_exact(self):
        for operation in REDUCING + MOVING:
            with self.subTest(operation=operation):
                for row in self.run_all(operation, "--transport", "loopback", "--codec", "q8"):
                    lossy = row["dtype"] not in INTEGERS and row["redop"] in ("sum", "avg", "none")
                    self.assertEqual(row["codec"], "q8" if lossy else "raw", row)
                    if lossy and row["dtype"] == "float" and row["bytes"] > 4096:
                        self.assertGreater(row["ratio"], 3.5, row)
                        self.assertGreater(row["rel_error"], 1e-4, row)
                        self.assertLess(row["rel_error"], 3 * Q8_BOUND, row)

    def test_barrier_has_one_row(self):
        for transport in TRANSPORTS:
            status, rows, output = program.perf("barrier", "--transport", transport)
            self.assertEqual(status, 0, output)
            self.check_rows("barrier", rows, output)
            self.assertEqual([row["bytes"] for row in rows], [0])

    def test_sizes_grow_by_factor_and_by_step(self):
        common = ["all_reduce", "-b", "1K", "-e", "4K", "-n", "1", "--transport", "loopback"]
        by_factor = (["-f", "2"], [1024, 2048, 4096])
        by_step = (["-i", "1536"], [1024, 2560, 4096])
        for flags, sizes in [by_factor, by_step]:
            status, rows, output = program.perf(*common, *flags)
            self.assertEqual(status, 0, output)
            self.assertEqual([row["bytes"] for row in rows if not row["in_place"]], sizes)

    def test_root_is_any_rank(self):
        for operation in ["broadcast", "reduce"]:
            status, rows, output = program.perf(operation, *SIZES, "-r", "2", "--transport",
                                                "loopback")
            self.assertEqual(status, 0, output)
            self.check_rows(operation, rows, output)
            self.assertEqual({row["root"] for row in rows}, {2})

    def test_an_emulated_link_costs_its_latency(self):
        status, rows, output = program.perf("all_reduce", "-b", "8", "-e", "8", "-n", "3",
                                            "--delay", "30ms", "--rate", "500mbit",
                                            "--transport", "loopback")
        self.assertEqual(status, 0, output)
        for row in rows:
            self.assertGreaterEqual(row["time_us_min"], 29000)

    def test_without_check_nothing_is_claimed(self):
        status, rows, output = program.perf("all_reduce", *SIZES, "-c", "0", "--transport",
                                            "loopback")
        self.assertEqual(status, 0, output)
        self.assertEqual({row["wrong"] for row in rows}, {None})

    def test_a_refused_request_names_what_is_wrong(self):
        for flags, word in [
            (["all_reduce", "--codec", "q9"], "q9"),
            (["all_reduce", "--algo", "spiral"], "spiral"),
            (["all_reduce", "--transport", "pigeon"], "pigeon"),
            (["all_reduce", "-d", "float13"], "float13"),
            (["all_reduce", "-o", "median"], "median"),
            (["all_reduce", "--delay", "20parsec"], "20parsec"),
            (["all_squash"], "all_squash"),
            (["broadcast", "-r", "7", "--transport", "loopback"], "7"),
        ]:
            with self.subTest(flags=flags):
                status, rows, output = program.perf(*flags)
                self.assertNotEqual(status, 0, output)
                self.assertIn(word, output)
                self.assertEqual(rows, [])


@unittest.skipIf(os.environ.get("THINWIRE_SANITIZE"), "sanitizers don't stand preloading")
class WrongResultTest(unittest.TestCase):
    """The library is made to err, which must be counted and end in a status other than 0."""

    def wrong(self, codec, error, **environment):
        status, rows, output = program.perf(
            "all_reduce", "-b", "4096", "-e", "4096", "-n", "1", "-w", "0", "--codec", codec,
            "--algo", "sra", "--transport", "loopback",
            LD_PRELOAD=os.environ["THINWIRE_WRONG_RESULT"], THINWIRE_TEST_ERROR=str(error),
            **environment)
        self.assertTrue(rows, output)
        counts = {row["wrong"] for row in rows}
        self.assertEqual(len(counts), 1, output)
        self.assertEqual(status, 0 if counts == {0} else 1)
        return counts.pop()

    def test_no_error_is_no_wrong_element(self):
        self.assertEqual(self.wrong("raw", 0), 0)
        self.assertEqual(self.wrong("q8", 0), 0)

    def test_any_error_of_an_exact_codec_counts_on_each_rank(self):
        self.assertEqual(self.wrong("raw", 1), program.RANKS)

    def test_twice_the_bound_counts_on_each_rank(self):
        # Three contributions, and their sum once more.
        bound = (program.RANKS + program.RANKS * 1.005) * Q8_BOUND
        self.assertEqual(self.wrong("q8", 2 * bound), program.RANKS)

    def test_a_rank_that_differs_is_wrong_in_all_elements(self):
        self.assertEqual(self.wrong("q8", 1e-6, THINWIRE_TEST_RANK="1"), 1024)


if __name__ == "__main__":
    unittest.main()
