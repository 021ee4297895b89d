# SPDX-License-Identifier: Apache-2.0
"""Each example starts in every way its head names and gives the result it promises."""

import json
import os
import pathlib
import random
import re
import socket
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["BUILD_DIR"])
EMULATED = str(BUILD / "lib" / "emulated")  # a CUDA device on the CPU
SOURCE = pathlib.Path(__file__).resolve().parents[2]
HAVE_UCX = os.environ["THINWIRE_HAVE_UCX"] == "ON"
NEEDS_UCX = unittest.skipUnless(HAVE_UCX, "built without UCX")


def clean_environment():
    """Without what would make the process a rank of some other job, or set Thinwire up."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("THINWIRE_", "OMPI_", "PMIX_"))
        and name not in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_ranks(commands, environments):
    """Runs one command a rank at the same time; their outputs. Fails if one fails."""
    ranks = [
        subprocess.Popen(
            [str(word) for word in command],
            env={**clean_environment(), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command, environment in zip(commands, environments)
    ]
    try:
        outputs = [rank.communicate(timeout=240)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    for rank, output in zip(ranks, outputs):
        if rank.returncode != 0:
            raise AssertionError(f"{rank.args} returned {rank.returncode}:\n" + "".join(outputs))
    return outputs


def run(*command, **environment):
    return run_ranks([command], [environment])[0]


def run_as_torchrun(ranks, *command, **environment):
    port = str(free_port())
    torchrun = [
        {"RANK": str(rank), "WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1",
         "MASTER_PORT": port, **environment}
        for rank in range(ranks)
    ]
    return run_ranks([command] * ranks, torchrun)


class AllReduceTest(unittest.TestCase):
    PROGRAM = BUILD / "bin" / "01_all_reduce"

    def test_alone_it_is_rank_0_of_1(self):
        self.assertIn("rank 0 of 1:", run(self.PROGRAM))

    @NEEDS_UCX
    def test_as_by_torchrun_three_processes_sum_exactly(self):
        outputs = run_as_torchrun(3, self.PROGRAM, THINWIRE_TRANSPORT="ucx")
        for rank, output in enumerate(outputs):
            self.assertRegex(output, rf"^rank {rank} of 3: .* codec raw: .*largest error 0$")

    @NEEDS_UCX
    def test_a_policy_of_the_environment_compresses(self):
        outputs = run_as_torchrun(2, self.PROGRAM, THINWIRE_TRANSPORT="ucx", THINWIRE_POLICY="q8")
        for output in outputs:
            self.assertIn("codec q8", output)


class NcclProgramTest(unittest.TestCase):
    PROGRAM = BUILD / "bin" / "02_nccl_program"

    def test_four_ranks_of_one_process_in_groups(self):
        self.assertEqual(run(self.PROGRAM), "4 ranks in one process: right\n")

    @NEEDS_UCX
    def test_ranks_meet_by_an_id_in_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            commands = [(self.PROGRAM, rank, 3, f"{folder}/id") for rank in range(3)]
            outputs = run_ranks(commands, [{}] * 3)
        self.assertEqual(outputs, [f"rank {rank} of 3: right\n" for rank in range(3)])


@NEEDS_UCX
class CudaAllReduceTest(unittest.TestCase):
    PROGRAM = BUILD / "tests" / "04_cuda_all_reduce_emulated"

    def test_two_processes_sum_on_a_stream_with_8_bits_an_element(self):
        outputs = run_as_torchrun(2, self.PROGRAM, 50000, THINWIRE_MODULES=EMULATED)
        for rank, output in enumerate(outputs):
            self.assertRegex(output, rf"^rank {rank} of 2: codec q8: sent \d+ bytes for \d+, ")
            wire, raw = (int(number) for number in re.findall(r"(\d+) bytes for (\d+)", output)[0])
            self.assertGreater(raw / wire, 3.5)

    def test_a_library_without_cuda_is_told(self):
        with self.assertRaisesRegex(AssertionError, "libthinwire_cuda.so|CUDA driver"):
            run(self.PROGRAM, 1000, THINWIRE_MODULES="/nowhere")


@NEEDS_UCX
class NcclUnmodifiedTest(unittest.TestCase):
    PROGRAM = BUILD / "tests" / "05_nccl_unmodified_emulated"

    def test_two_ranks_on_streams_exactly_and_compressed(self):
        for policy in ("raw", "q8"):
            with self.subTest(policy=policy), tempfile.TemporaryDirectory() as folder:
                commands = [(self.PROGRAM, rank, 2, f"{folder}/id") for rank in range(2)]
                environment = {"THINWIRE_MODULES": EMULATED, "THINWIRE_POLICY": policy}
                outputs = run_ranks(commands, [environment] * 2)
                self.assertEqual(outputs, [f"rank {rank} of 2: right\n" for rank in range(2)])


class TrainTextTest(unittest.TestCase):
    PROGRAM = BUILD / "bin" / "train_text"
    SMALL = ("--steps", 60, "--hidden", 128, "--batch", 16, "--lr", 0.01)

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.text = cls.folder / "text"
        cls.text.write_text(cls.sentences())

    @staticmethod
    def sentences():
        """English of a sort: what a small model learns in a second, and the same everywhere."""
        draw = random.Random(1)
        words = ("the", "light", "of", "wire", "and", "long", "thin", "river", "that", "carries")
        return " ".join(words[draw.randrange(len(words))] for _ in range(20000))

    def train(self, start, *flags, **environment):
        """The results of one training."""
        json_file = self.folder / "results.json"
        start(self.PROGRAM, *self.SMALL, "--text", self.text, "--json", json_file, *flags,
              **environment)
        return json.loads(json_file.read_text())

    def train_threads(self, *flags):
        return self.train(run, "--ranks", 3, *flags, THINWIRE_TRANSPORT="loopback")

    def test_loss_falls_and_q8_trains_as_well(self):
        exact = self.train_threads()
        compressed = self.train_threads("--policy", "q8")
        self.assertEqual(exact["codec"], "raw")
        self.assertEqual(compressed["codec"], "q8")
        self.assertLess(compressed["bytes_per_step"], exact["bytes_per_step"] / 3)
        self.assertLess(exact["loss_last"], 0.7 * exact["loss_first"])
        self.assertLess(abs(compressed["loss_last"] / exact["loss_last"] - 1), 0.02)
        self.assertLess(abs(compressed["loss_held_out"] / exact["loss_held_out"] - 1), 0.02)

    def test_the_same_seed_gives_the_same_parameters_and_another_seed_others(self):
        hashes = [
            self.train_threads("--seed", seed)["parameter_hash"] for seed in (1, 1, 2)
        ]
        self.assertEqual(hashes[0], hashes[1])
        self.assertNotEqual(hashes[0], hashes[2])

    @NEEDS_UCX
    def test_the_transport_changes_no_bit(self):
        def start(*command, **environment):
            return run_as_torchrun(3, *command, **environment)

        for policy in ("", "q8"):
            threads = self.train_threads("--policy", policy)
            processes = self.train(start, "--policy", policy, THINWIRE_TRANSPORT="ucx",
                                   THINWIRE_LINK="unknown")
            self.assertEqual(threads["parameter_hash"], processes["parameter_hash"])

    def test_captured_tensors_are_those_of_steps_1_and_10_and_the_last(self):
        folder = self.folder / "capture"
        folder.mkdir()
        results = self.train_threads("--capture", folder)
        sizes = {"gradient": results["parameters"], "hidden": 16 * 128}
        expected = {f"{name}-{step}.f32": 4 * size for name, size in sizes.items()
                    for step in (1, 10, 60)}
        self.assertEqual({file.name: file.stat().st_size for file in folder.iterdir()}, expected)

    def test_sgd_learns_from_fixed_samples(self):
        results = self.train_threads("--optimizer", "sgd", "--lr", 0.1, "--lr-decay", 0.1,
                                     "--momentum", 0.9, "--samples", 64)
        self.assertLess(results["loss_last"], 0.6 * results["loss_first"])

    def test_flags_that_make_no_sense_together_are_told(self):
        for flags, reason in (
            (("--mode", "pipeline", "--ranks", 3), "start 2 ranks, not 3"),
            (("--mode", "pipeline", "--policy", "q8"), "--forward and --backward"),
            (("--forward", "q8"), "belong to --mode pipeline"),
            (("--samples", 100, "--batch", 16), "100 is no multiple"),
            (("--epochs", 2), "needs --samples"),
        ):
            with self.subTest(flags=flags), self.assertRaisesRegex(AssertionError, reason):
                run(self.PROGRAM, "--text", self.text, *flags, THINWIRE_TRANSPORT="loopback")

    def test_a_ring_forwards_chunks_larger_than_a_window(self):
        results = self.train(run, "--ranks", 3, "--steps", 1, "--batch", 1, "--hidden", 32000,
                             "--policy", "algo=ring", THINWIRE_TRANSPORT="loopback",
                             THINWIRE_TIMEOUT="20s")
        self.assertEqual(results["algorithm"], "ring")
        self.assertGreater(results["parameters"] * 4 / 3, 5 << 20)

    @NEEDS_UCX
    def test_ranks_started_with_different_flags_are_told(self):
        port = str(free_port())
        environments = [
            {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            for rank in range(2)
        ]
        commands = [
            (self.PROGRAM, *self.SMALL, "--text", self.text, "--seed", seed) for seed in (1, 2)
        ]
        with self.assertRaisesRegex(AssertionError, "rank 1 differs from rank 0 in its text"):
            run_ranks(commands, environments)


class DemoTest(unittest.TestCase):
    def test_quick_run_ends_with_the_table(self):
        output = run(SOURCE / "tools" / "demo", "--quick", BUILD_DIR=str(BUILD))
        self.assertRegex(output, r"\nuncompressed +\d.*1\.00x\n")
        self.assertRegex(output, r"\nq8 +\d.*x\n")


if __name__ == "__main__":
    unittest.main()
