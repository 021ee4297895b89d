# SPDX-License-Identifier: Apache-2.0
"""distortion: its figures are those of the documentation, and agree with each other."""

import array
import json
import math
import pathlib
import tempfile
import unittest

import program

COUNT = ("--count", "65536")


def distortion(*flags):
    return program.run("THINWIRE_DISTORTION", *COUNT, *flags)


class DistortionProgramTest(unittest.TestCase):
    def measure(self, *flags):
        """Rows by data and codec."""
        status, out, error = distortion("--json", *flags)
        self.assertEqual(status, 0, error)
        return {(row["data"], row["codec"]): row for row in json.loads(out)}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, values):
        path = self.folder / "tensor.f32"
        path.write_bytes(array.array("f", values).tobytes())
        return f"mine={path}"

    def test_figures_are_those_documented_on_every_distribution(self):
        rows = self.measure()
        self.assertEqual({data for data, _ in rows}, {"Gaussian", "Student t3", "layered"})
        q8 = rows["Gaussian", "q8"]
        self.assertEqual(q8["bits"], 8.28125)
        self.assertAlmostEqual(q8["distortion"] / 3.25e-5, 1, delta=0.05)
        self.assertGreater(rows["Student t3", "q8"]["distortion"], 2 * q8["distortion"])

    def test_excess_is_what_is_above_the_gaussian_bound(self):
        for (_, codec), row in self.measure().items():
            if codec == "raw":
                self.assertEqual((row["bits"], row["distortion"]), (32, 0))
                self.assertIsNone(row["excess_bits"])
            elif row["distortion"] > 0:
                bound = 0.5 * math.log2(1 / row["distortion"])
                self.assertAlmostEqual(row["excess_bits"], row["bits"] - bound)

    def test_a_file_is_measured_as_it_is(self):
        # Of 32 elements, the largest sets the step of the rest.
        values = ([127.0] + [0.25] * 31) * 128
        row = self.measure("--data", self.write(values))["mine", "q8"]
        energy = 127.0**2 + 31 * 0.25**2
        self.assertAlmostEqual(row["distortion"], 31 * 0.25**2 / energy)

    def test_markdown_holds_the_same(self):
        status, out, error = distortion("--markdown")
        self.assertEqual(status, 0, error)
        self.assertIn("### Gaussian\n\n| codec | bits | D | excess |\n|---|---|---|---|\n", out)
        self.assertIn("| `raw` | 32.000 | 0 | - |\n", out)
        q8 = self.measure()["Gaussian", "q8"]
        figures = f"{q8['distortion']:#.3g} | {q8['excess_bits']:.3f}"
        self.assertIn(f"| `q8` | 8.281 | {figures} |\n", out)

    def test_a_trellis_of_more_states_loses_less(self):
        rows = self.measure("--trellis")
        for rate, scalar, best in ((1, 0.363, 0.284), (2, 0.1175, 0.081)):
            names = [f"({rate} bit scalar)"]
            names += [f"({rate} bit trellis of {n} states)" for n in (4, 8, 16, 32, 64, 256)]
            found = [rows["Gaussian, trellis experiment", name]["distortion"] for name in names]
            self.assertEqual(found, sorted(found, reverse=True))
            self.assertAlmostEqual(found[0] / scalar, 1, delta=0.03)
            self.assertAlmostEqual(found[-1] / best, 1, delta=0.03)

    def test_what_cannot_be_measured_is_told(self):
        for flags, reason in ((("q9",), "no codec 'q9'"),
                              (("--data", "x"), "'x' is not NAME=PATH"),
                              (("--data", "x=/nowhere"), "can't open /nowhere"),
                              (("--data", self.write([1, math.inf])), "holds NaN, Inf")):
            status, _, error = distortion(*flags)
            self.assertEqual(status, 1)
            self.assertIn(reason, error)


if __name__ == "__main__":
    unittest.main()
