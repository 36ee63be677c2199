"""Counts what a meson test log (testlog.json, one object a line) holds.

Prints what failed, then "PASSED FAILED" on the last line. With --count cases a program that ends as
doctest does, or with "N passed, N failed", counts with all its test cases, with --count programs each program counts
once; other programs always count once.
"""
import argparse
import json
import re
import sys

PLAIN = re.compile(r"^(?P<passed>\d+) passed, (?P<failed>\d+) failed$", re.M)
DOCTEST = re.compile(r"\[doctest\] test cases:\s*\d+\s*\|\s*(?P<passed>\d+) passed\s*\|\s*(?P<failed>\d+) failed")


def count(entry, cases):
    """Returns (passed, failed) of one test program."""
    good = entry["result"] in ("OK", "EXPECTEDFAIL")
    printed = entry.get("stdout", "") if cases else ""
    summary = DOCTEST.search(printed) or PLAIN.search(printed)
    if not summary:
        return (1, 0) if good else (0, 1)
    passed, failed = int(summary["passed"]), int(summary["failed"])
    # A program that crashes after, or fails outside, its cases failed all the same.
    return passed, failed if good or failed else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", choices=["cases", "programs"], default="cases")
    parser.add_argument("log")
    options = parser.parse_args()
    passed = failed = 0
    with open(options.log, encoding="utf-8") as log:
        for line in log:
            entry = json.loads(line)
            good, bad = count(entry, options.count == "cases")
            passed += good
            failed += bad
            if bad:
                print(f"FAILED: {entry['name']} ({entry['result'].lower()})")
                tail = (entry.get("stdout", "") + entry.get("stderr", "")).splitlines()[-25:]
                print("\n".join("    " + text for text in tail))
    print(passed, failed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
