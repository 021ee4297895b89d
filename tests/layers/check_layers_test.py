# SPDX-License-Identifier: Apache-2.0
"""check_layers finds what it must and nothing else: check_layers_test.py TOOL ROOT"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL, ROOT = sys.argv[1], sys.argv[2]


def check(root):
    done = subprocess.run([sys.executable, "-B", TOOL, str(root)], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout


class CheckLayersTest(unittest.TestCase):
    def planted(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "src").mkdir()
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            return check(root)

    def expect_caught(self, files, *words):
        code, text = self.planted(files)
        self.assertEqual(code, 1, text)
        for word in words:
            self.assertIn(word, text)

    def test_the_repository_keeps_its_layers(self):
        self.assertEqual(check(ROOT), (0, ""))

    def test_downward_includes_are_fine(self):
        self.assertEqual(self.planted({
            "src/comm/a.cc": '#include "codec/codec.h"\n#include "bootstrap/x.h"\n',
            "src/collective/a.cc": '#include "base/a.h"\n#include <vector>\n',
            "src/codec/a.cc": '#include "a.h"\n', "src/codec/a.h": "",
            "cuda/codec/a.cu": '#include "codec/q_math.h"\n',
        }), (0, ""))

    def test_sideways_includes_are_caught_with_their_line(self):
        for layer, other in (("codec", "transport"), ("transport", "bootstrap"), ("wire", "codec"),
                             ("transport", "wire"), ("bootstrap", "transport"),
                             ("device", "transport"), ("cuda", "transport")):
            top = "cuda/device" if layer == "cuda" else f"src/{layer}"
            self.expect_caught({f"{top}/a.cc": f'\n  # include "{other}/x.h"\n'},
                               f"{top}/a.cc:2", f"{layer} must not include {other}")

    def test_upward_includes_are_caught(self):
        self.expect_caught({"src/base/a.h": '#include "codec/codec.h"\n'}, "base must not")
        self.expect_caught({"src/collective/a.h": '#include "comm/group.h"\n'}, "collective must not")
        self.expect_caught({"src/transport/ucx/a.h": '#include "api/guard.h"\n'}, "transport must not")

    def test_the_host_never_includes_cuda(self):
        self.expect_caught({"src/device/a.cc": '#include "cuda/device/a.h"\n'}, "include cuda")

    def test_a_relative_path_does_not_hide_a_layer(self):
        self.expect_caught({"src/codec/a.cc": '#include "../transport/x.h"\n',
                            "src/transport/x.h": ""}, "codec must not include transport")

    def test_only_the_api_and_what_is_written_on_it_know_the_public_header(self):
        self.expect_caught({"src/comm/a.cc": "#include <thinwire/thinwire.h>\n"}, "public API")
        self.assertEqual(self.planted({
            "src/mpi_preload/a.cc": '#include "thinwire/thinwire.h"\n#include "base/a.h"\n',
        }), (0, ""))
        self.expect_caught({"src/mpi_preload/a.cc": '#include "comm/group.h"\n'},
                           "mpi_preload must not include comm")

    def test_build_files_are_checked_too(self):
        self.expect_caught({"src/codec/CMakeLists.txt":
                            "\nthinwire_layer(codec\n  SOURCES a.cc\n  DEPENDS base transport\n"
                            "  LINKS wire)\n"},
                           "src/codec/CMakeLists.txt:2", "codec must not depend on transport")

    def test_an_unknown_layer_is_caught(self):
        self.expect_caught({"src/misc/a.cc": ""}, "no layer is called 'misc'")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
