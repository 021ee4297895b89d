# SPDX-License-Identifier: Apache-2.0
"""What a communicator's flight record says, as JSON readers see it: flight_record_test.py LIBTHINWIRE"""

import ctypes
import json
import os
import pathlib
import sys
import tempfile
import threading
import time
import unittest

FOLDER = tempfile.TemporaryDirectory()
os.environ.update(THINWIRE_TRANSPORT="loopback", THINWIRE_DEVICE="host", THINWIRE_DEBUG="NONE",
                  THINWIRE_FLIGHT_FILE=FOLDER.name + "/failed_%r", THINWIRE_FLIGHT_CALLS="5")
THINWIRE = ctypes.CDLL(sys.argv[1])
FLOAT32, BFLOAT16, SUM = 7, 9, 0
COUNT = 1000


class Ranks:
    """All ranks of a communicator in this process."""

    def __init__(self, ranks):
        self.comms = (ctypes.c_void_p * ranks)()
        assert THINWIRE.thinwireCommInitAll(self.comms, ranks, None) == 0
        self.buffers = [(ctypes.c_float * (COUNT * ranks))() for _ in range(ranks)]

    def each(self, call):
        """call(rank, comm, buffer) of every rank in one group; its result."""
        THINWIRE.thinwireGroupStart()
        for rank, (comm, buffer) in enumerate(zip(self.comms, self.buffers)):
            call(rank, ctypes.c_void_p(comm), buffer)
        return THINWIRE.thinwireGroupEnd()

    def record(self, rank):
        path = pathlib.Path(FOLDER.name, f"asked_{rank}")
        comm = ctypes.c_void_p(self.comms[rank])
        assert THINWIRE.thinwireCommWriteFlight(comm, str(path).encode()) == 0
        return json.loads(path.read_text(encoding="utf-8"))


def all_reduce(comm, buffer, count=COUNT, dtype=FLOAT32):
    return THINWIRE.thinwireAllReduce(buffer, buffer, ctypes.c_size_t(count), dtype, SUM, comm, None)


class FlightRecordTest(unittest.TestCase):
    def test_says_what_each_call_was_and_that_it_ended(self):
        ranks = Ranks(2)
        self.assertEqual(ranks.each(lambda _, comm, buffer: all_reduce(comm, buffer)), 0)
        self.assertEqual(ranks.each(lambda rank, comm, buffer: THINWIRE.thinwireSend(
            buffer, ctypes.c_size_t(7), BFLOAT16, 1, comm, None) if rank == 0 else
            THINWIRE.thinwireRecv(buffer, ctypes.c_size_t(7), BFLOAT16, 0, comm, None)), 0)
        self.assertEqual(ranks.each(lambda _, comm, buffer: THINWIRE.thinwireReduceScatter(
            buffer, buffer, ctypes.c_size_t(3), FLOAT32, SUM, comm, None)), 0)
        record = ranks.record(0)
        self.assertEqual(record["version"], "2.10")
        self.assertEqual(record["rank"], 0)
        self.assertEqual(record["pg_config"]["0"]["ranks"], "[0, 1]")
        self.assertEqual(record["pg_status"]["0"]["last_completed_collective"], "2")
        reduced, sent, scattered = record["entries"]
        self.assertEqual(reduced["profiling_name"], "nccl:all_reduce")
        self.assertEqual(reduced["collective_seq_id"], 1)
        self.assertEqual((reduced["input_sizes"], reduced["input_dtypes"]), ([[COUNT]], ["Float"]))
        self.assertEqual((reduced["state"], reduced["codec"]), ("completed", "raw"))
        self.assertGreater(reduced["wire_bytes"], 2 * COUNT)
        self.assertGreater(reduced["duration_ms"], 0)
        self.assertFalse(reduced["is_p2p"])
        self.assertEqual(sent["profiling_name"], "nccl:send 0->1")
        self.assertEqual((sent["is_p2p"], sent["p2p_seq_id"]), (True, 1))
        self.assertEqual(sent["input_dtypes"], ["BFloat16"])
        self.assertEqual(scattered["input_sizes"], [[6]])
        self.assertEqual(scattered["output_sizes"], [[3]])
        self.assertEqual(ranks.record(1)["entries"][1]["profiling_name"], "nccl:recv 1<-0")
        for entry in record["entries"]:
            for key in ("record_id", "pg_id", "process_group", "op_id", "time_created_ns",
                        "time_discovered_started_ns", "time_discovered_completed_ns", "retired",
                        "timeout_ms", "frames"):
                self.assertIn(key, entry)

    def test_keeps_the_last_calls(self):
        ranks = Ranks(1)
        for _ in range(8):
            ranks.each(lambda _, comm, buffer: all_reduce(comm, buffer))
        self.assertEqual([entry["record_id"] for entry in ranks.record(0)["entries"]],
                         [3, 4, 5, 6, 7])

    def test_is_written_when_a_communicator_fails(self):
        ranks = Ranks(2)
        ranks.each(lambda _, comm, buffer: all_reduce(comm, buffer))
        # Rank 0 waits for rank 1, which gives up.
        result = []
        waits = threading.Thread(target=lambda: result.append(
            all_reduce(ctypes.c_void_p(ranks.comms[0]), ranks.buffers[0])))
        waits.start()
        while len(ranks.record(0)["entries"]) < 2:
            time.sleep(0.01)
        THINWIRE.thinwireCommAbort(ctypes.c_void_p(ranks.comms[1]))
        waits.join()
        self.assertNotEqual(result[0], 0)
        path = pathlib.Path(FOLDER.name, "failed_0")
        record = json.loads(path.read_text(encoding="utf-8"))
        status = record["pg_status"]["0"]
        self.assertEqual(status["last_enqueued_collective"], "2")
        self.assertEqual(status["last_completed_collective"], "1")
        last = record["entries"][-1]
        self.assertEqual(last["state"], "started")
        self.assertIsNone(last["time_discovered_completed_ns"])
        self.assertIn("rank 1 aborted", last["error"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
