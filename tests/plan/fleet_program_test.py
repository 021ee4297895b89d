# SPDX-License-Identifier: Apache-2.0
"""thinwire-plan fleet as its users run it."""

import json
import os
import subprocess
import unittest


def fleet(*arguments):
    """(status, standard output, standard error) of thinwire-plan fleet."""
    done = subprocess.run(
        [os.environ["THINWIRE_PLAN"], "fleet", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class FleetProgramTest(unittest.TestCase):
    def test_prints_a_point_for_each_algorithm_codec_and_number_of_ranks(self):
        status, out, error = fleet("--ranks", "2,16", "--codec", "raw,q4", "--bytes", "1M", "--json")
        self.assertEqual(status, 0, error)
        study = json.loads(out)
        algorithms = {point["algo"] for point in study["points"]}
        self.assertIn("sra", algorithms)
        self.assertEqual(len(study["points"]), 2 * 2 * len(algorithms))
        for point in study["points"]:
            self.assertGreater(point["seconds"], 0)
        self.assertEqual(len(error.splitlines()), len(study["points"]))

    def test_thousands_of_ranks_are_as_far_away_as_the_matrix_says(self):
        status, out, error = fleet(
            "--ranks", "2000", "--codec", "raw", "--bytes", "64K", "--algo", "sra,ring", "--json"
        )
        self.assertEqual(status, 0, error)
        sra, ring = json.loads(out)["points"]
        self.assertGreater(sra["seconds"], 2 * 0.238)  # two hops, Seoul to London
        self.assertLess(sra["seconds"], 1)
        self.assertGreater(ring["seconds"], 2 * 1999 * 0.005)

    def test_the_table_says_where_algorithms_break(self):
        status, out, error = fleet("--ranks", "2,64", "--codec", "raw", "--algo", "sra,ring")
        self.assertEqual(status, 0, error)
        lines = [line.split() for line in out.splitlines() if not line.startswith("#")]
        self.assertIn(["ring", "raw", "-", "-", "-", "64"], lines)

    def test_bad_flags_are_refused_with_what_would_do(self):
        for flags, expected in [
            (["--link", "profile=moon"], "worldwide-8"),
            (["--algo", "star"], "halving-doubling"),
            (["--ranks", "8,4"], "ascend"),
            (["--link", "delay=20ms"], "no rate"),
            (["--codec", "q4", "-d", "int32"], "q4"),
        ]:
            status, _, error = fleet(*flags)
            self.assertEqual(status, 2, flags)
            self.assertIn(expected, error)


if __name__ == "__main__":
    unittest.main()
