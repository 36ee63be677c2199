"""Prints the programs that the tests of a meson suite run, as ninja targets: programs.py BUILD_DIR SUITE."""
import json
import os
import subprocess
import sys

build, suite = sys.argv[1:]
tests = json.loads(subprocess.check_output(["meson", "introspect", "--tests", build]))
programs = {test["cmd"][0] for test in tests if suite in (name.split(":")[-1] for name in test["suite"])}
for program in sorted(programs):
    if program.startswith(os.path.abspath(build) + "/"):
        print(os.path.relpath(program, build))
