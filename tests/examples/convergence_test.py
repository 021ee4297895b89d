# SPDX-License-Identifier: Apache-2.0
"""A compressed training ends where the exact one does, if the codec keeps what it must, and sends
the bytes its documentation says.

Everything here is deterministic: a text from a fixed seed, ranks as threads of one process, the same
batches for every codec. Losses are means over the last tenth of the steps, in nats."""

import json
import pathlib
import random
import tempfile
import unittest

from examples_test import BUILD, run

PROGRAM = BUILD / "bin" / "train_text"

# Bits an element (docs/codecs.md).
BITS = {
    "bf16": 16,
    "q8": 8.28125,
    "rq4": 4.0625,
    "rq2": 2.0625,
    "rq1": 1.0625,
    "tk(1%)": 0.1875,
}
# Codecs of gradients that train as well as exact sums by themselves, and that need error feedback.
PLAIN = ("bf16", "q8")
WITH_FEEDBACK = ("rq4", "rq2", "rq1", "tk(1%)")
# Codecs too coarse for activations, but not for their differences from the last epoch.
DELTAS = ("rq2",)

# At most so far from the loss of the exact training, relatively.
TOLERANCE = 0.01
# Of a frame (docs/wire-format.md).
HEADER = 64
STATE_HEAD = 32


def text():
    """A chain of made-up words, each followed by one of three: learned in a second."""
    draw = random.Random(2)
    letters = "etaoinshrdlucmfw"

    def word():
        count = draw.randrange(2, 8)
        return "".join(letters[min(draw.randrange(16), draw.randrange(16))] for _ in range(count))

    words = [word() for _ in range(40)]
    followers = [[draw.randrange(len(words)) for _ in range(3)] for _ in words]
    chain = [0]
    while len(chain) < 20000:
        chain.append(followers[chain[-1]][draw.randrange(3)])
    return " ".join(words[word] for word in chain)


class TrainingTest(unittest.TestCase):
    # Plain SGD, as the theory of error feedback has it: what is dropped arrives some steps later,
    # and with momentum the coarsest codecs would need a smaller learning rate.
    SGD = ("--optimizer", "sgd", "--lr", 0.5, "--lr-decay", 0.02, "--seed", 2)
    FLAGS = ()

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        (cls.folder / "text").write_text(text())
        cls.exact = cls.train()

    @classmethod
    def train(cls, *flags):
        """The results of one training."""
        json_file = cls.folder / "results.json"
        run(PROGRAM, *cls.SGD, *cls.FLAGS, "--text", cls.folder / "text", "--json", json_file,
            *flags, THINWIRE_TRANSPORT="loopback")
        return json.loads(json_file.read_text())

    def excess(self, results):
        """How much more than exact, relatively, the loss is in the end."""
        return results["loss_last"] / self.exact["loss_last"] - 1

    @staticmethod
    def frame_bytes(spec):
        """What a frame adds to the encoded elements."""
        return HEADER + (STATE_HEAD if set(spec) & set("(+") else 0)


class DataParallelTest(TrainingTest):
    # 16341 parameters: as good as four chunks of 4096, one for each rank to sum.
    FLAGS = ("--ranks", 4, "--batch", 8, "--steps", 2000, "--hidden", 106)

    def train_by(self, codec):
        return self.train("--policy", f"all_reduce >=0: {codec} algo=sra")

    def check_bytes(self, results, spec):
        """Every rank sends 3 of 4 parts to be summed, and its sum to 3 others."""
        ranks = results["ranks"]
        part_bytes = BITS[spec.removesuffix("+ef")] / 8 * results["parameters"] / ranks
        expected = 2 * (ranks - 1) * (part_bytes + self.frame_bytes(spec))
        self.assertAlmostEqual(results["bytes_per_step"] / expected, 1, delta=0.02)

    def test_the_exact_training_learns(self):
        self.assertEqual(self.exact["codec"], "raw")
        self.assertLess(self.exact["loss_last"], 0.1 * self.exact["loss_first"])

    def test_fine_codecs_train_as_well_by_themselves(self):
        for spec in PLAIN:
            with self.subTest(codec=spec):
                results = self.train_by(spec)
                self.assertLess(abs(self.excess(results)), TOLERANCE)
                self.check_bytes(results, spec)

    def test_coarse_codecs_train_as_well_with_error_feedback_and_worse_without(self):
        for spec in WITH_FEEDBACK:
            with self.subTest(codec=spec):
                corrected = self.train_by(f"{spec}+ef")
                direct = self.train_by(spec)
                self.assertLess(abs(self.excess(corrected)), TOLERANCE)
                self.assertGreater(self.excess(direct), abs(self.excess(corrected)))
                self.check_bytes(corrected, f"{spec}+ef")
                self.check_bytes(direct, spec)


class PipelineTest(TrainingTest):
    EPOCHS = 10
    ELEMENTS = 4096  # of a batch's activations: 32 x 128, a whole chunk
    FLAGS = ("--mode", "pipeline", "--ranks", 2, "--batch", 32, "--hidden", 128, "--samples", 4096,
             "--epochs", EPOCHS)

    def check_bytes(self, results, first_bits, bits):
        """Of the activations: so many bits an element in the first epoch, and in later ones."""
        expected = self.ELEMENTS / 8 * (first_bits + (self.EPOCHS - 1) * bits) / self.EPOCHS
        expected += self.frame_bytes(results["forward"])
        self.assertAlmostEqual(results["forward_bytes_per_step"] / expected, 1, delta=0.02)

    def test_two_stages_compute_what_one_rank_does(self):
        flags = list(self.FLAGS)
        flags[flags.index("pipeline")] = "data"
        flags[flags.index("--ranks") + 1] = 1
        one_rank = self.train(*flags)
        self.assertEqual(one_rank["mode"], "data")
        for name in ("loss_first", "loss_last", "loss_held_out", "parameter_hash"):
            self.assertEqual(self.exact[name], one_rank[name])

    def test_fine_codecs_train_as_well_by_themselves(self):
        for spec in PLAIN:
            with self.subTest(codec=spec):
                results = self.train("--forward", spec, "--backward", spec)
                self.assertEqual((results["forward"], results["backward"]), (spec, spec))
                self.assertLess(abs(self.excess(results)), TOLERANCE)
                self.check_bytes(results, BITS[spec], BITS[spec])

    def test_differences_train_as_well_where_the_activations_themselves_do_not(self):
        for spec in DELTAS:
            with self.subTest(codec=spec):
                by_differences = self.train("--forward", f"delta({spec})")
                direct = self.train("--forward", spec)
                self.assertLess(abs(self.excess(by_differences)), TOLERANCE)
                self.assertGreater(self.excess(direct), 0.05)
                self.check_bytes(by_differences, 32, BITS[spec])
                self.check_bytes(direct, BITS[spec], BITS[spec])


if __name__ == "__main__":
    unittest.main()
