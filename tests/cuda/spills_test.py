#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No kernel keeps registers in memory.

  spills_test.py OBJECT...   reads what cmake/keep_ptxas_output left beside each object

Fails, and says which, when a kernel has a stack frame or spills on any architecture.
"""

import pathlib
import re
import sys

KERNEL = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


def offences(text):
    """Yields a kernel and what it keeps in memory, for each that does."""
    kernel = "a function"
    for line in text.splitlines():
        if match := KERNEL.search(line):
            kernel = f"{match[1]} for {match[2]}"
        elif (match := FRAME.search(line)) and any(int(count) for count in match.groups()):
            yield f"{kernel}: {match[0]}"


def main():
    kernels = 0
    failed = False
    for name in sys.argv[1:]:
        text = pathlib.Path(name + ".ptxas").read_text(encoding="utf-8")
        kernels += len(KERNEL.findall(text))
        for offence in offences(text):
            print(f"{pathlib.Path(name).name}: {offence}")
            failed = True
    print(f"{kernels} kernels")
    return 1 if failed or kernels == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
