# SPDX-License-Identifier: Apache-2.0
"""What the shared libraries export, and their names: symbols_test.py LIBTHINWIRE LIBNCCL ROOT
[LIBTHINWIRE_MPI_PRELOAD]"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

THINWIRE, NCCL, ROOT = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def exported(library):
    """name -> letter of nm, of what the library defines for others."""
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    return {line.split()[-1].split("@")[0]: line.split()[-2] for line in lines}


def soname(library):
    return re.search(r"SONAME.*\[(.*)\]", run("readelf", "-d", library)).group(1)


def declared(header, pattern):
    return set(re.findall(pattern, (ROOT / "include" / header).read_text(encoding="utf-8")))


class SymbolsTest(unittest.TestCase):
    def test_libthinwire_exports_what_its_header_declares(self):
        pattern = r"THINWIRE_API [^;]*?\b(thinwire\w+)\("
        headers = "thinwire/thinwire.h", "thinwire/codec.h", "../src/api/fallback.h"
        names = set.union(*(declared(header, pattern) for header in headers))
        self.assertGreater(len(names), 20)
        self.assertEqual({name: "T" for name in names}, exported(THINWIRE))

    def test_libnccl_exports_weak_names_and_strong_twins(self):
        names = declared("nccl_compat/nccl.h", r"THINWIRE_NCCL_API\([^,]*, (nccl\w+)")
        self.assertGreater(len(names), 15)
        expected = {name: "W" for name in names} | {f"p{name}": "T" for name in names}
        self.assertEqual(expected, exported(NCCL))

    @unittest.skipUnless("".join(sys.argv[4:]), "built without MPI")
    def test_the_preloaded_library_exports_names_of_mpi_only(self):
        names = exported(sys.argv[4])
        for name in ("MPI_Allreduce", "MPI_Ireduce_scatter_block", "MPI_Allgather", "MPI_Ibcast"):
            self.assertIn(name, names)
        self.assertEqual([], [name for name in names if not re.match("MPI_|mpi_", name)])

    def test_sonames(self):
        self.assertEqual(soname(THINWIRE), "libthinwire.so.0")
        self.assertEqual(soname(NCCL), "libnccl.so.2")

    def test_libnccl_needs_libthinwire(self):
        self.assertIn("[libthinwire.so.0]", run("readelf", "-d", NCCL))

    @unittest.skipIf(re.search(r"lib[a-z]+san", run("readelf", "-d", NCCL)), "not with sanitizers")
    def test_who_needs_nccl_gets_what_is_preloaded_whatever_is_installed(self):
        code = ("import ctypes; version = ctypes.c_int(); "
                "ctypes.CDLL('libnccl.so.2').ncclGetVersion(ctypes.byref(version)); "
                "print(version.value)")
        said = subprocess.run([sys.executable, "-c", code], env=os.environ | {"LD_PRELOAD": NCCL},
                              capture_output=True, text=True, check=True).stdout
        self.assertEqual("23102", said.strip())

    def test_version_header_says_what_the_file_says(self):
        text = (ROOT / "include/thinwire/version.h").read_text(encoding="utf-8")
        parts = re.findall(r"VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text)
        self.assertEqual(".".join(parts), (ROOT / "VERSION").read_text(encoding="utf-8").strip())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
