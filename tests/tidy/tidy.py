#!/usr/bin/env python3
"""The house rules as a test: prints file:line, rule and fix of each violation and fails if there is one."""
import argparse
import sys

import functions
import includes
import layout
import purity
import source
import text


def check_tree(root):
    paths = source.list_files(root)
    found = list(layout.check(set(paths)))
    count = 0
    for path in paths:
        if not source.is_style_bound(path) or not source.is_text(root, path):
            continue
        file = source.Source(root, path)
        count += 1
        for rule in (includes, text, functions):
            found += rule.check(file)
    return found, count


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--lto-compiler", action="append", default=[], metavar="WORD",
                        help="g++ and its arguments, one each, if the archives were compiled with -flto")
    parser.add_argument("archives", nargs="*", help="the pure libraries")
    options = parser.parse_args()

    found, count = check_tree(options.root)
    found += purity.check(options.archives, options)
    for violation in found:
        print(violation)
    print(f"{count} files and {len(options.archives)} pure libraries, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
