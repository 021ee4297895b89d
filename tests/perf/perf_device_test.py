# SPDX-License-Identifier: Apache-2.0
"""thinwire-perf --device cuda, on an emulated device: every operation and type is right there."""

import os
import unittest

import program

OPERATIONS = ["all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "send_recv",
              "all_to_all", "barrier"]
# Short ones: each kernel runs thread by thread.
SIZES = ["-b", "40", "-e", "8000", "-f", "200", "-n", "2", "-w", "1"]


def perf(*arguments, **environment):
    """What program.perf gives of the program on the emulated device."""
    return program.perf(*arguments, "--device", "cuda", "--transport", "loopback",
                        variable="THINWIRE_PERF_EMULATED",
                        THINWIRE_MODULES=os.environ["THINWIRE_EMULATED_MODULES"], **environment)


class PerfDeviceTest(unittest.TestCase):
    def rows_of(self, operation, *flags):
        status, rows, output = perf(operation, *SIZES, *flags)
        self.assertEqual(status, 0, output)
        self.assertTrue(rows, output)
        for row in rows:
            self.assertEqual(row["wrong"], 0, row)
            self.assertEqual(row["device"], "cuda")
            self.assertGreater(row["issue_us"], 0)
        return rows

    def test_exact_results_of_all_types_are_exact(self):
        for operation in OPERATIONS:
            with self.subTest(operation=operation):
                rows = self.rows_of(operation, "-d", "all")
                self.assertEqual({row["rel_error"] for row in rows}, {0})
                types = 1 if operation == "barrier" else 12
                self.assertEqual(len({row["dtype"] for row in rows}), types)
                places = {False} if operation in ("send_recv", "all_to_all", "barrier") else {False, True}
                self.assertEqual({row["in_place"] for row in rows}, places)

    def test_every_reduction_is_exact(self):
        for operation in ["all_reduce", "reduce_scatter", "reduce"]:
            with self.subTest(operation=operation):
                rows = self.rows_of(operation, "-d", "half", "-o", "all")
                expected = {"sum", "prod", "max", "min", "avg"}
                self.assertEqual({row["redop"] for row in rows}, expected)

    def test_q8_keeps_its_bound(self):
        for operation in OPERATIONS[:-1]:
            with self.subTest(operation=operation):
                rows = self.rows_of(operation, "--codec", "q8")
                self.assertEqual({row["codec"] for row in rows}, {"q8"})

    def test_calls_return_before_they_are_done(self):
        for row in self.rows_of("all_reduce", "--delay", "30ms", "--rate", "1gbit"):
            self.assertGreaterEqual(row["time_us_min"], 29000)
            self.assertLess(row["issue_us"], row["time_us"])

    @unittest.skipIf(os.environ["THINWIRE_HAVE_CUDA"] == "ON", "built with CUDA")
    def test_a_build_without_cuda_says_so(self):
        status, _, output = program.perf("all_reduce", "--device", "cuda", "--transport",
                                         "loopback")
        self.assertEqual(status, 1)
        self.assertIn("built without CUDA", output)


if __name__ == "__main__":
    unittest.main()
