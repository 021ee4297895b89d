# SPDX-License-Identifier: Apache-2.0
"""The answers of libnccl.so.2 to odd calls, against those of NVIDIA's: differential_test.py OURS THEIRS

Codes, and the texts programs match on, of every call that NVIDIA's library answers before it looks
for a device. Each library answers in a process of its own. Without NVIDIA's, the test is skipped.
"""

import ctypes
import json
import os
import subprocess
import sys

SKIPPED = 77
NULL = None
ZERO = ctypes.c_size_t(0)
FLOAT, SUM = 7, 0


class UniqueId(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_char * 128)]


def calls():
    """(name, arguments); what is passed by reference stays alive here."""
    number = ctypes.c_int(0)
    handle = ctypes.c_void_p(0)
    by = ctypes.byref
    unique_id = UniqueId()
    yield "ncclGetVersion", [by(number)]
    yield "ncclGetVersion", [NULL]
    yield "ncclGetUniqueId", [by(unique_id)]
    yield "ncclGetUniqueId", [NULL]
    yield "ncclGroupEnd", []
    yield "ncclGroupStart", []
    yield "ncclGroupEnd", []
    yield "ncclGroupEnd", []
    for name in ("Count", "CuDevice", "UserRank", "GetAsyncError"):
        yield "ncclComm" + name, [NULL, by(number)]
    yield "ncclCommRevoke", [NULL, 0]
    for name in ("Finalize", "Destroy", "Abort"):
        yield "ncclComm" + name, [NULL]
    yield "ncclCommRegister", [NULL, NULL, ZERO, by(handle)]
    yield "ncclCommDeregister", [NULL, NULL]
    yield "ncclCommWindowDeregister", [NULL, NULL]
    yield "ncclRedOpCreatePreMulSum", [by(number), NULL, FLOAT, 1, NULL]
    for op in (0, 4, 5, 6, -1):
        yield "ncclRedOpDestroy", [op, NULL]
    for dtype in (FLOAT, 99):
        yield "ncclAllReduce", [NULL, NULL, ZERO, dtype, SUM, NULL, NULL]
    yield "ncclReduce", [NULL, NULL, ZERO, FLOAT, SUM, 0, NULL, NULL]
    yield "ncclReduceScatter", [NULL, NULL, ZERO, FLOAT, SUM, NULL, NULL]
    yield "ncclBcast", [NULL, ZERO, FLOAT, 0, NULL, NULL]
    for name in ("Broadcast", "Gather", "Scatter"):
        yield "nccl" + name, [NULL, NULL, ZERO, FLOAT, 0, NULL, NULL]
    for name in ("AllGather", "AlltoAll"):
        yield "nccl" + name, [NULL, NULL, ZERO, FLOAT, NULL, NULL]
    for name in ("Send", "Recv"):
        yield "nccl" + name, [NULL, ZERO, FLOAT, 0, NULL, NULL]


def answers(path):
    library = ctypes.CDLL(path)
    library.ncclGetErrorString.restype = ctypes.c_char_p
    library.ncclGetLastError.restype = ctypes.c_char_p
    found = []
    for i, (name, arguments) in enumerate(calls()):
        shown = ["NULL" if argument is None else "" for argument in arguments]
        found.append([f"{i} {name}({', '.join(shown)})", getattr(library, name)(*arguments)])
    for code in list(range(-1, 3)) + list(range(4, 8)) + [9, 10]:  # 3 names its makers
        found.append([f"ncclGetErrorString({code})", library.ncclGetErrorString(code).decode()])
    found.append(["ncclGetLastError(NULL) is a text", library.ncclGetLastError(None) is not None])
    return found


def ask(path):
    environment = dict(os.environ, NCCL_DEBUG="", THINWIRE_DEBUG="NONE")
    run = subprocess.run([sys.executable, "-B", __file__, "--answer", path], check=True,
                         capture_output=True, text=True, env=environment)
    return json.loads(run.stdout.splitlines()[-1])


def main():
    if sys.argv[1] == "--answer":
        print(json.dumps(answers(sys.argv[2])))
        return 0
    ours, theirs = sys.argv[1:3]
    if not os.path.exists(theirs):
        print("NVIDIA's libnccl.so.2 is not installed: skipped")
        return SKIPPED
    differing = 0
    pairs = list(zip(ask(ours), ask(theirs), strict=True))
    for (call, mine), (same_call, his) in pairs:
        assert call == same_call
        if mine != his:
            differing += 1
            print(f"{call}: {mine!r}, NVIDIA's: {his!r}")
    print(f"{len(pairs)} answers compared, {differing} differ")
    return 1 if differing or len(pairs) < 40 else 0


if __name__ == "__main__":
    sys.exit(main())
