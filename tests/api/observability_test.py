# SPDX-License-Identifier: Apache-2.0
"""What is written about calls: trace, metrics and report, as their readers see them:
observability_test.py LIBTHINWIRE"""

import ctypes
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

os.environ.update(THINWIRE_TRANSPORT="loopback", THINWIRE_DEVICE="host", THINWIRE_DEBUG="NONE")
THINWIRE = ctypes.CDLL(sys.argv[1])
FLOAT32, INT32, SUM = 7, 2, 0
MAX_COUNT = 100_000
SAMPLE = re.compile(r'^(thinwire_\w+)\{((?:\w+="(?:[^"\\]|\\.)*",?)+)\} ([-+.\deE]+)$')


class Ranks:
    """All ranks of a communicator in this process, made under these variables."""

    def __init__(self, ranks=2, **variables):
        os.environ.update(variables)
        self.comms = (ctypes.c_void_p * ranks)()
        assert THINWIRE.thinwireCommInitAll(self.comms, ranks, None) == 0
        for name in variables:
            del os.environ[name]
        self.buffers = [(ctypes.c_float * MAX_COUNT)() for _ in range(ranks)]

    def all_reduce(self, rank, count, dtype=FLOAT32):
        buffer = self.buffers[rank]
        return THINWIRE.thinwireAllReduce(buffer, buffer, ctypes.c_size_t(count), dtype, SUM,
                                          ctypes.c_void_p(self.comms[rank]), None)

    def each(self, count, dtype=FLOAT32, delays=(0, 0)):
        """An all-reduce of every rank, on a thread each, which begins after its delay."""
        results = {}

        def run(rank):
            time.sleep(delays[rank])
            results[rank] = self.all_reduce(rank, count, dtype)
        threads = [threading.Thread(target=run, args=(rank,)) for rank in range(len(self.comms))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def report(self, rank=0):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "asked")
            comm = ctypes.c_void_p(self.comms[rank])
            assert THINWIRE.thinwireCommWriteReport(comm, str(path).encode()) == 0
            return path.read_text(encoding="utf-8")

    def destroy(self):
        threads = [threading.Thread(target=THINWIRE.thinwireCommDestroy,
                                    args=(ctypes.c_void_p(comm),)) for comm in self.comms]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def samples(text):
    """(name, labels) -> value of metrics in the text format; an error where it is not that."""
    found, declared = {}, set()
    for line in text.splitlines():
        head = re.match(r"^# (HELP|TYPE) (thinwire_\w+) (.+)$", line)
        if head:
            if head[1] == "TYPE":
                assert head[2] not in declared, f"{head[2]} stands twice"
                assert head[3] in ("counter", "gauge"), line
                declared.add(head[2])
            continue
        sample = SAMPLE.match(line)
        assert sample, line
        assert sample[1] in declared, line
        labels = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', sample[2])))
        assert (sample[1], labels) not in found, line
        found[sample[1], labels] = float(sample[3])
    return found


class ObservabilityTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def read(self, name):
        return pathlib.Path(self.path(name)).read_text(encoding="utf-8")

    def test_a_trace_is_json_once_its_bracket_is_there(self):
        ranks = Ranks(THINWIRE_TRACE_FILE=self.path("trace_%r"), THINWIRE_POLICY="q8")
        for count in (100_000, 1000):
            ranks.each(count)
        ranks.destroy()
        text = self.read("trace_1")
        events = json.loads(text.rstrip().rstrip(",") + "]")
        calls = [event for event in events if event.get("name") == "all_reduce"]
        self.assertEqual([call["args"]["codec"] for call in calls], ["q8", "raw"])
        self.assertEqual([call["args"]["count"] for call in calls], [100_000, 1000])
        for call in calls:
            self.assertEqual((call["ph"], call["pid"]), ("X", 1))
            self.assertLess(abs(call["ts"] / 1e6 - time.time()), 60)
            self.assertGreater(call["dur"], 0)
        self.assertGreater(calls[0]["args"]["ratio"], 3.5)
        self.assertEqual({event["name"] for event in events if event["ph"] == "M"},
                         {"process_name", "process_sort_index", "thread_name"})
        wires = [event for event in events if event["name"] == "wire"]
        for call, wire in zip(calls, wires):
            self.assertEqual(call["tid"], wire["tid"])
            self.assertGreaterEqual(wire["ts"], call["ts"])
            self.assertLessEqual(wire["ts"] + wire["dur"], call["ts"] + call["dur"] + 0.01)

    def test_a_trace_of_a_process_that_is_killed_is_there(self):
        program = ("import ctypes, os, signal, sys, time\n"
                   "t = ctypes.CDLL(sys.argv[1]); c = ctypes.c_void_p()\n"
                   "assert t.thinwireCommInitFromEnvironment(ctypes.byref(c), None) == 0\n"
                   "b = (ctypes.c_float * 100)()\n"
                   "assert t.thinwireAllReduce(b, b, ctypes.c_size_t(100), 7, 0, c, None) == 0\n"
                   "end = time.time() + 30\n"
                   "while not os.path.exists(sys.argv[2]) and time.time() < end: time.sleep(0.02)\n"
                   "os.kill(os.getpid(), signal.SIGKILL)\n")
        path = self.path("trace")
        subprocess.run([sys.executable, "-c", program, sys.argv[1], path], check=False,
                       env=dict(os.environ, THINWIRE_TRACE_FILE=path))
        events = json.loads(self.read("trace").rstrip().rstrip(",") + "]")
        self.assertIn("all_reduce", [event["name"] for event in events])

    def test_metrics_of_several_communicators_share_a_file(self):
        variables = {"THINWIRE_METRICS_FILE": self.path("metrics"), "THINWIRE_POLICY": "q8"}
        first = Ranks(**variables)
        second = Ranks(**variables)
        for _ in range(3):
            first.each(100_000)
        second.each(10)
        first.destroy()
        second.destroy()
        found = samples(self.read("metrics"))
        calls = {labels: value for (name, labels), value in found.items()
                 if name == "thinwire_calls_total"}
        self.assertEqual(sorted(calls.values()), [1, 1, 3, 3])
        for labels, value in calls.items():
            of = dict(labels)
            self.assertEqual(of["codec"], "q8" if value == 3 else "raw")
            ratio = (found["thinwire_raw_bytes_total", labels]
                     / found["thinwire_wire_bytes_total", labels])
            self.assertTrue(ratio > 3.5 if value == 3 else ratio < 1, ratio)
            self.assertEqual(found["thinwire_failed_calls_total", labels], 0)

    def test_metrics_are_written_while_calls_end(self):
        ranks = Ranks(THINWIRE_METRICS_FILE=self.path("metrics"), THINWIRE_METRICS_PERIOD="20ms",
                      THINWIRE_SHAPE="rate=1gbit,delay=1ms")
        ranks.each(100)
        end = time.time() + 30
        while not os.path.exists(self.path("metrics")) and time.time() < end:
            time.sleep(0.02)
        found = samples(self.read("metrics"))
        rates = [value for (name, _), value in found.items()
                 if name == "thinwire_link_bytes_per_second"]
        self.assertGreater(len(rates), 0)
        ranks.destroy()

    def test_the_report_says_what_compression_saved_and_why_not_more(self):
        ranks = Ranks(THINWIRE_REPORT_FILE=self.path("report_%r"), THINWIRE_POLICY="q8",
                      THINWIRE_SHAPE="rate=1gbit,delay=1ms")
        ranks.each(100_000)
        ranks.each(100_000, INT32)
        ranks.each(10)
        ranks.destroy()
        report = self.read("report_0")
        self.assertIn("Is compression on? Yes: 1 of 3 calls, in q8.", report)
        self.assertRegex(report, r"took .* on the wire \(3\.\d\dx\): saved .* of this rank's link")
        self.assertIn("1: q8 can't code int32", report)
        self.assertIn("1: no rule of the policy", report)

    def bound_of(self, shape, count, calls=3, delays=(0, 0)):
        ranks = Ranks(THINWIRE_REPORT_FILE=self.path("report_%r"), THINWIRE_SHAPE=shape)
        for _ in range(calls):
            self.assertEqual(ranks.each(count, delays=delays), {0: 0, 1: 0})
        report = ranks.report()
        ranks.destroy()
        table = [line for line in report.splitlines() if line.startswith("all_reduce ")]
        self.assertEqual(len(table), 1, report)
        return table[0], report

    def test_a_large_call_is_bound_by_the_rate(self):
        line, report = self.bound_of("rate=10mbit,delay=1ms", 1 << 16)
        self.assertTrue(line.endswith("link rate"), report)
        self.assertIn("'all_reduce: q8' would take 1/3.9", report)

    def test_a_small_call_is_bound_by_the_latency(self):
        line, report = self.bound_of("rate=1gbit,delay=50ms", 2)
        self.assertTrue(line.endswith("latency"), report)

    def test_a_late_peer_is_named(self):
        line, report = self.bound_of("rate=1gbit,delay=5ms", 2, delays=(0, 0.3))
        self.assertTrue(line.endswith("late peer"), report)
        self.assertIn("rank 1 begins later than this one", report)

    def test_algorithms_that_nccls_variable_names_are_taken(self):
        for text, algorithm in [("Ring", "ring"), ("NVLS,Tree", "double-tree"),
                                ("^NVLS", "one-shot")]:
            ranks = Ranks(THINWIRE_REPORT_FILE=self.path("report_%r"), NCCL_ALGO=text)
            ranks.each(100)
            self.assertRegex(ranks.report(), rf"all_reduce +256 B\+ raw +{algorithm} ")
            ranks.destroy()

    def test_a_communicator_that_fails_writes_its_report(self):
        ranks = Ranks(THINWIRE_REPORT_FILE=self.path("report_%r"))
        ranks.each(100)
        waits = threading.Thread(target=lambda: ranks.all_reduce(0, 100))
        waits.start()
        time.sleep(0.2)
        THINWIRE.thinwireCommAbort(ctypes.c_void_p(ranks.comms[1]))
        waits.join()
        end = time.time() + 30
        while not os.path.exists(self.path("report_0")) and time.time() < end:
            time.sleep(0.02)
        self.assertRegex(self.read("report_0"), r"Failed: .*rank 1 aborted")

    def test_without_a_variable_the_report_has_the_sums(self):
        ranks = Ranks(THINWIRE_POLICY="q8")
        ranks.each(100_000)
        report = ranks.report()
        self.assertRegex(report, r"took .* on the wire \(3\.\d\dx\): "
                                 r"all_reduce 1 call 3\.\d\dx \(q8\)")
        self.assertIn("THINWIRE_REPORT_FILE", report)
        ranks.destroy()

    def test_files_that_cannot_be_written_fail_no_call(self):
        ranks = Ranks(THINWIRE_REPORT_FILE="/nowhere/report", THINWIRE_TRACE_FILE="/nowhere/trace",
                      THINWIRE_METRICS_FILE="/nowhere/metrics")
        self.assertEqual(ranks.each(100), {0: 0, 1: 0})
        ranks.destroy()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
