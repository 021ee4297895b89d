# SPDX-License-Identifier: Apache-2.0
"""thinwire-info: says what there is, and what the links are like in a form that can be given back."""

import json
import os
import tempfile
import unittest

import program

INFO = "THINWIRE_INFO"
SHAPE = "rate=200mbit,delay=5ms"


class InfoProgramTest(unittest.TestCase):
    def info(self, *flags, **environment):
        status, out, error = program.run(INFO, *flags, **environment)
        self.assertEqual(status, 0, error)
        return out

    def test_says_what_the_build_has(self):
        out = self.info()
        for word in ["version", "loopback", "cuda", "raw", "q8", "THINWIRE_POLICY"]:
            self.assertIn(word, out)

    def test_says_which_settings_are_in_effect(self):
        report = json.loads(self.info("--json", THINWIRE_TIMEOUT="7s", THINWIRE_SECRET="hunter2"))
        settings = report["environment"]
        self.assertEqual(settings["THINWIRE_TIMEOUT"], {"value": "7s", "set": True})
        self.assertEqual(settings["THINWIRE_SILENCE"], {"value": "10 s", "set": False})
        self.assertTrue(settings["THINWIRE_SECRET"]["set"])
        self.assertNotIn("hunter2", json.dumps(report))

    def test_says_what_the_policy_means(self):
        lines = self.info(THINWIRE_POLICY="float: q8; broadcast: bf16").splitlines()
        kinds = [line.split() for line in lines if line.startswith("  ")]
        self.assertIn("all_reduce float: raw; from 32 KiB: q8".split(), kinds, lines)
        broadcast = [" ".join(kind) for kind in kinds if kind[0] == "broadcast"]
        self.assertTrue(any("float" in kind and "from 32 KiB: bf16" in kind for kind in broadcast))
        self.assertTrue(any("int8" in kind and "can't code it" in kind for kind in broadcast))
        exact = json.loads(self.info("--json"))["policy"]
        self.assertIn("every call is exact", exact[0])

    def test_says_what_is_found_beside_the_library(self):
        report = json.loads(self.info("--json"))
        for part in ["version", "stands for", "transports", "ucx", "mpi", "sealing", "cuda", "nccl"]:
            self.assertNotEqual(report[part], "", part)
        none = json.loads(self.info("--json", THINWIRE_NCCL="/nowhere/libnccl.so.2"))
        self.assertIn("none: /nowhere/libnccl.so.2", none["nccl"])

    def test_names_variables_of_nccl_that_are_ignored(self):
        out = self.info(NCCL_IB_HCA="mlx5", NCCL_ALGO="Ring")
        ignored = out.splitlines()[-1]
        self.assertIn("mean nothing here", ignored)
        self.assertIn("NCCL_IB_HCA", ignored)
        self.assertNotIn("NCCL_ALGO", ignored)

    def test_a_setting_that_makes_no_sense_is_named(self):
        status, _, error = program.run(INFO, THINWIRE_TIMEOUT="soon")
        self.assertNotEqual(status, 0)
        self.assertIn("THINWIRE_TIMEOUT", error)

    def links(self, **environment):
        return self.info("links", "--ranks", "3", THINWIRE_TRANSPORT="loopback", **environment)

    def test_links_that_were_given_are_shown(self):
        out = self.info("links", "--json", "--ranks", "3", THINWIRE_TRANSPORT="loopback",
                        THINWIRE_LINK="rate=500mbit,delay=20ms,loss=1%")
        links = json.loads(out)["links"]
        self.assertEqual(len(links), 6)
        for link in links:
            self.assertAlmostEqual(link["bits_per_second"], 500e6)
            self.assertAlmostEqual(link["delay_seconds"], 0.02)
            self.assertAlmostEqual(link["loss"], 0.01)
            self.assertEqual(link["origin"], "given")

    def test_what_is_printed_can_be_given_back(self):
        printed = self.links(THINWIRE_LINK="measure", THINWIRE_SHAPE=SHAPE)
        self.assertIn("measured", printed)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "measured.link")
            with open(path, "w", encoding="utf-8") as file:
                file.write(printed)
            again = self.links(THINWIRE_LINK=f"file={path}")
        lines = [line.split("#")[0].split() for line in printed.splitlines()[2:]]
        self.assertEqual([line.split("#")[0].split() for line in again.splitlines()[2:]], lines)
        self.assertIn("given", again)

    def test_unknown_links_are_no_lines_of_a_file(self):
        for line in self.links(THINWIRE_LINK="unknown").splitlines():
            self.assertTrue(line.startswith("#"), line)

    def test_a_process_alone_has_no_links(self):
        status, _, error = program.run(INFO, "links")
        self.assertNotEqual(status, 0)
        self.assertIn("--ranks", error)


if __name__ == "__main__":
    unittest.main()
