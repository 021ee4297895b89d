# SPDX-License-Identifier: Apache-2.0
"""Runs the programs under test."""

import json
import os
import subprocess
import tempfile

RANKS = 3


def run(variable, *arguments, **environment):
    """(status, standard output, standard error) of the program that `variable` names."""
    done = subprocess.run(
        [os.environ[variable], *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def perf(*arguments, variable="THINWIRE_PERF", **environment):
    """(status, rows of the JSON file, all output) of thinwire-perf with RANKS ranks."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.json")
        status, out, error = run(
            variable, *arguments, "--ranks", str(RANKS), "--json", path, **environment
        )
        rows = []
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                rows = json.load(file)
        return status, rows, out + error
