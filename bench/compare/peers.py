# SPDX-License-Identifier: Apache-2.0
"""What is compared, each measured inside one emulated link: iperf3, Thinwire, Open MPI, Gloo.

Times are of single calls in ms, from the common start to the last rank's end. A measurement that
fails or takes too long is None, after a line to standard error that says why.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
INTERFACE = "wan0"  # as thinwire-lab names it
OPEN_MPI = {  # name: number of coll_tuned's all-reduce
    "default": "",
    "recursive doubling": "3",
    "ring": "4",
    "segmented ring": "5",
    "Rabenseifner": "6",
}
GLOO = ["ring", "halving-doubling"]
SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def say(text):
    print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr, flush=True)


def bytes_of(text):
    return int(float(text[:-1]) * SIZES[text[-1]]) if text[-1] in SIZES else int(text)


def seconds_of(text):
    for unit, factor in (("us", 1e-6), ("ms", 1e-3), ("s", 1)):
        if text.endswith(unit):
            return float(text[: -len(unit)]) * factor
    raise SystemExit(f"bad delay '{text}': write it like 20ms")


def rate_of(text):
    """Bytes per second on the wire."""
    for unit, factor in (("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3)):
        if text.endswith(unit):
            return float(text[: -len(unit)]) * factor / 8
    raise SystemExit(f"bad rate '{text}': write it like 500mbit")


def payload_rate(rate, loss):
    """Bytes per second that any number of TCP streams can move at most."""
    return rate_of(rate) * 1448 / 1500 * (1 - float(loss.rstrip("%")) / 100)


def bound_ms(volume, ranks, rate, delay):
    """What one exchange with every peer, or two hops of shares, need at that rate."""
    if ranks == 2:
        return 1e3 * (volume / rate + delay)
    return 1e3 * (2 * (ranks - 1) / ranks * volume / rate + 2 * delay)


def newest_bin():
    found = sorted(HERE.parents[1].glob("build/*/bin/thinwire-perf"), key=os.path.getmtime)
    return found[-1].parent if found else None


def find_bin(path):
    if path is None or not (path / "thinwire-lab").exists():
        raise SystemExit("no thinwire-lab found: build the project, or name --bin")
    return path.resolve()


@dataclass
class Lab:
    """Runs programs inside an emulated link."""

    bin: Path
    rate: str
    delay: str
    loss: str = "0"
    ranks: int = 4
    congestion: str = ""  # empty: the system's
    timeout: int = 300  # seconds a measurement may take
    environment: dict = field(default_factory=dict)

    def run(self, command, ranks=None, only=0, how="run", lab_flags=()):
        """Standard output of rank `only`."""
        full = [str(self.bin / "thinwire-lab"), how, "--ranks", str(ranks or self.ranks),
                "--rate", self.rate, "--delay", self.delay, "--loss", self.loss, "--no-prefix",
                "--only", str(only), "--timeout", f"{self.timeout}s", *lab_flags]
        if self.congestion:
            full += ["--congestion", self.congestion]
        done = subprocess.run([*full, "--", *command], capture_output=True, text=True, check=False,
                              env={**os.environ, **self.environment})
        if done.returncode == 0:
            return done.stdout
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        say(f"failed with status {done.returncode}: {' '.join(map(str, command))}: {reason}")
        return None

    def goodput(self, seconds, streams=1):
        """Bytes per second that so many TCP streams move together, by iperf3: the median second as
        the receiver counts it, since totals hold what was queued during the warm-up."""
        if shutil.which("iperf3") is None:
            say("iperf3 is missing (Debian: iperf3); taking what the wire carries")
            return payload_rate(self.rate, self.loss)
        script = (f'if [ "$RANK" = 0 ]; then exec iperf3 -s -1 -J; fi; sleep 1; exec iperf3 -c '
                  f'"$MASTER_ADDR" -J --get-server-output -O 2 -t {seconds} -P {streams}')
        out = self.run(["sh", "-c", script], ranks=2, only=1)
        if not out:
            return None
        sums = [interval["sum"] for interval in json.loads(out)["server_output_json"]["intervals"]]
        return statistics.median(each["bits_per_second"] / 8 for each in sums
                                 if not each["omitted"] and each["seconds"] > 0.9)


def thinwire(lab, size, codec="raw", algorithm="auto", warmups=1, iterations=5, transport="auto"):
    with tempfile.TemporaryDirectory(prefix="thinwire-compare-") as folder:
        path = Path(folder) / "rows.json"
        out = lab.run([str(lab.bin / "thinwire-perf"), "all_reduce", "-b", str(size), "-e",
                       str(size), "-w", str(warmups), "-n", str(iterations), "--codec", codec,
                       "--algo", algorithm, "--transport", transport, "--out-of-place", "--json",
                       str(path)])
        if out is None:
            return None
        row = json.loads(path.read_text())[0]
    return {"ms": row["time_us"] / 1e3, "ms_min": row["time_us_min"] / 1e3,
            "ms_max": row["time_us_max"] / 1e3, "each_ms": [t / 1e3 for t in row["times_us"]],
            "wrong": row["wrong"], "setting": row["algo"], "codec": row["codec"],
            "ratio": row["ratio"], "rel_error": row["rel_error"], "wire_bytes": row["wire_bytes"]}


def predicted_ms(lab, size, codec, algorithm):
    done = subprocess.run(
        [str(lab.bin / "thinwire-plan"), "all_reduce", "--bytes", str(size), "--ranks",
         str(lab.ranks), "--codec", codec, "--algo", algorithm, "--link",
         f"rate={lab.rate},delay={lab.delay},loss={lab.loss}", "--json"],
        capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[0]["seconds"] * 1e3


def build(source, compiler, flags, folder):
    """Path of the program, or None after saying why it can't be had."""
    program = folder / Path(source).stem
    if shutil.which(compiler) is None:
        say(f"{source} is left out: there is no {compiler}")
        return None
    command = [compiler, "-std=c++20", "-O2", str(HERE / source), "-o", str(program), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return program
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    say(f"{source} is left out: it does not compile ({errors[0] if errors else done.stderr})")
    return None


def build_all(folder):
    """Programs of the others: (Open MPI's, Gloo's)."""
    return (build("mpi_allreduce.cc", "mpicxx", [], folder),
            build("gloo_allreduce.cc", "c++", ["-lgloo", "-lpthread"], folder))


def open_mpi(lab, program, size, algorithm, warmups=1, iterations=3):
    flags = [] if not algorithm else [
        "--mpi-arg=--mca coll_tuned_use_dynamic_rules 1 "
        f"--mca coll_tuned_allreduce_algorithm {algorithm}"]
    out = lab.run([str(program), str(size), str(warmups), str(iterations)], how="mpirun",
                  lab_flags=flags)
    return json.loads(out.splitlines()[-1]) if out else None


def gloo(lab, program, size, algorithm, warmups=1, iterations=3):
    with tempfile.TemporaryDirectory(prefix="thinwire-compare-") as store:
        out = lab.run([str(program), algorithm, str(size), str(warmups), str(iterations), store,
                       INTERFACE])
    return json.loads(out.splitlines()[-1]) if out else None
