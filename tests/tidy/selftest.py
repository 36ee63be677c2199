#!/usr/bin/env python3
"""Each rule of tidy.py against small samples in a temporary folder: the bad ones are found, where they are bad, and
the good ones are left alone."""
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

import functions
import purity
import tidy
from source import FOLDERS, blank_literals

GOOD = {
    "meson.build": "project('x')\n",
    "meson_options.txt": "",
    "README.md": "# x\n",
    "LICENSE": "free\n",
    **{f"{folder}/README.md": f"# {folder}\n" for folder in FOLDERS},
    "net/base/units.h": "#pragma once\n#include <cstdint>\n",
    "net/stun/message.cpp": '#include "net/base/units.h"\n\n#include <span>\n\nvoid f() {\n  g();\n}\n',
    "engine/shard/shard.cpp": '#include "codec/vad.h"\n#include "engine/role/relay.h"\n#include "net/io/backend.h"\n',
    "engine/control/http/router.cpp": '#include "engine/control/http/router.h"\n#include "engine/sluice.h"\n',
    "tests/unit/a.cpp": '#include "tests/unit/a.h"\n#include "engine/shard/shard.h"\n#include <string>\n',
}
MARK = "TO" + "DO"


class Tree(unittest.TestCase):
    def violations(self, changes):
        """Violations of the good tree with some files added, replaced, or removed by None."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**GOOD, **changes}.items():
                if text is None:
                    continue
                target = pathlib.Path(root) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            return tidy.check_tree(root)[0]

    def expect(self, rule, path, line, text=None, at=None):
        """`at` holds the bad text; `path` and `line` are where it has to be reported."""
        found = self.violations({at or path: text})
        self.assertEqual([(v.rule, v.path, v.line) for v in found], [(rule, path, line)])
        self.assertRegex(str(found[0]), r"^\S+:\d+: \[[a-z-]+\] .+\. .+")

    def expect_clean(self, path, text):
        self.assertEqual(self.violations({path: text}), [])


class Layout(Tree):
    def test_the_good_tree_is_clean(self):
        self.assertEqual(self.violations({}), [])

    def test_a_stray_file_or_folder_at_the_top(self):
        self.expect("layout", "notes.txt", 1, "x\n")
        self.expect("layout", "docs", 1, "x\n", at="docs/a.md")

    def test_dot_files_are_free(self):
        self.expect_clean(".ci/run", "#!/bin/sh\n")

    def test_a_missing_licence_or_readme(self):
        self.expect("layout", "LICENSE", 1, None)
        self.expect("layout", "net/README.md", 1, None)


class Includes(Tree):
    def test_arrows_that_point_up(self):
        for path, target in [("net/stun/x.h", "engine/sluice.h"), ("codec/x.h", "net/rtp/header.h"),
                             ("codec/x.h", "engine/sluice.h"), ("engine/x.h", "tools/x.h"),
                             ("engine/x.cpp", "tests/unit/a.h"), ("tools/x.cpp", "tests/unit/a.h"),
                             ("net/base/x.h", "net/stun/message.h"), ("net/io/x.h", "net/stun/message.h"),
                             ("net/ice/x.h", "net/io/backend.h"), ("net/io/x.h", "net/wire/classify.h")]:
            with self.subTest(path=path, target=target):
                self.expect("include", path, 2, f'#pragma once\n#include "{target}"\n')

    def test_arrows_that_point_down(self):
        for path, target in [("codec/x.h", "net/base/units.h"), ("engine/x.h", "codec/x.h"),
                             ("net/io/x.h", "net/io/backend.h"), ("net/ice/x.h", "net/stun/message.h"),
                             ("net/io/x.h", "net/wire/headers.h"),
                             ("bench/x.cpp", "engine/sluice.h")]:
            with self.subTest(path=path, target=target):
                self.expect_clean(path, f'#include "{target}"\n')

    def test_the_control_layer_sees_the_c_api_only(self):
        self.expect("include", "engine/control/http/x.cpp", 1, '#include "engine/shard/shard.h"\n')
        self.expect("include", "engine/control/x.cpp", 1, '#include "engine/capi/config.h"\n')

    def test_includes_are_relative_to_the_root(self):
        self.expect("include", "net/stun/x.cpp", 1, '#include "message.h"\n')
        self.expect("include", "net/stun/x.cpp", 1, '#  include "../base/units.h"\n')

    def test_pure_folders_include_nothing_that_allocates(self):
        self.expect("include", "net/rtp/x.h", 1, "#include <vector>\n")
        self.expect_clean("net/sdp/x.h", "#include <vector>\n")

    def test_an_include_in_a_comment_is_none(self):
        self.expect_clean("net/stun/x.cpp", '// #include "engine/sluice.h"\n')


class Text(Tree):
    def test_wide_lines(self):
        self.expect("width", "engine/x.cpp", 2, "\n// " + "x" * 118 + "\n")
        self.expect_clean("engine/x.cpp", "// " + "ä" * 117 + "\n")
        self.expect_clean("engine/x.md", "x" * 200 + "\n")

    def test_long_files(self):
        self.expect("file-length", "engine/x.cpp", 601, "\n" * 601)
        self.expect_clean("engine/x.cpp", "\n" * 600)

    def test_marks_of_unfinished_work(self):
        self.expect("mark", "tools/x.py", 2, f"\n# {MARK}: later\n")
        self.expect("mark", "net/x.cpp", 1, "// HA" + "CK\n")
        self.expect_clean("tools/x.sh", "mktemp /tmp/a.XXXXXX\n")

    def test_places_and_registries(self):
        self.expect("place", "tools/x.py", 1, "p = '/wo" + "rk/main'\n")
        self.expect("place", "meson.build", 1, "p = '/ho" + "me/me/x'\n")
        self.expect("registry", "tools/x.json", 1, '"resolved": "https://npm.regi' + 'stry.corp/x.tgz"\n')
        self.expect_clean("tools/x.py", "p = 'net/wo" + "rk/x', 'build-work/', 'https://registry.example/x'\n")

    def test_recorded_data_is_left_alone(self):
        self.expect_clean("tests/data/x.txt", f"{MARK} /wo" + "rk/ \n")
        self.expect_clean("tests/fuzz/corpus/x/y", f"{MARK}\n")

    def test_banned_calls(self):
        for call in ['printf("x")', "std::printf(x)", "fprintf(stderr, x)", "strcpy(a, b)", "sprintf(a, b)", "gets(a)",
                     "rand()", "std::rand()", "usleep(1)", "::sleep(1)", "std::this_thread::sleep_for(x)",
                     "std::regex r"]:
            with self.subTest(call=call):
                self.expect("banned-call", "net/rtp/x.cpp", 2, f"\nauto x = {call};\n")
                self.expect("banned-call", "engine/x.cpp", 2, f"\nauto x = {call};\n")
                self.expect_clean("tools/x.cpp", f"auto x = {call};\n")

    def test_calls_that_only_look_banned(self):
        for call in ["snprintf(a, n, b)", "random.rand(1)", "sleep(deadline)", "a->gets(b)", '"printf(x)"',
                     "/* rand() */ 0", "operand(1)", "fmt::printf(x)"]:
            with self.subTest(call=call):
                self.expect_clean("engine/x.cpp", f"auto x = {call};\n")

    def test_shared_ownership_on_shards(self):
        for path in ["net/dtls/x.cpp", "engine/shard/x.h", "engine/role/x.h", "engine/shard.h"]:
            with self.subTest(path=path):
                self.expect("shared-ptr", path, 1, "std::shared_ptr<int> p;\n")
        self.expect_clean("engine/control/x.h", "std::shared_ptr<int> p;\n")

    def test_bpf_licence(self):
        self.expect("bpf-licence", "net/io/steer.bpf.c", 1, "int x;\n")
        self.expect_clean("net/io/steer.bpf.c", '// Dual BSD/GPL\nchar LICENSE[] SEC("license") = "Dual BSD/GPL";\n')


class Functions(Tree):
    BODY = "  g();\n"

    def test_long_functions(self):
        self.expect("function-length", "engine/x.cpp", 2, "\nvoid f() {\n" + self.BODY * 69 + "}\n")
        self.expect_clean("engine/x.cpp", "\nvoid f() {\n" + self.BODY * 68 + "}\n")

    def test_run_once_is_shorter(self):
        self.expect("function-length", "engine/x.cpp", 1, "void Shard::run_once() {\n" + self.BODY * 59 + "}\n")
        self.expect_clean("engine/x.cpp", "void Shard::run_once() {\n" + self.BODY * 58 + "}\n")

    def found(self, text):
        return list(functions.functions(blank_literals(text)))

    def test_functions_are_told_from_types_scopes_and_values(self):
        self.assertEqual(self.found("namespace a {\nclass B : C {\n public:\n  int f() const { return 1; }\n};\n}\n"),
                         [("f", 3, 4)])
        self.assertEqual(self.found("template <class T, class U = X<int>>\nT f(T t) noexcept {\n  if (t) {\n  }\n}\n"),
                         [("f", 1, 5)])
        self.assertEqual(self.found("A::A(int x) : a_{x}, b_(x) {\n  g();\n}\nint h() { return 2; }\n"),
                         [("A::A", 1, 3), ("h", 4, 4)])
        self.assertEqual(self.found("constexpr int k[] = {f(1), 2};\nconst M m{{1, f(2)}};\nint g() {\n}\n"),
                         [("g", 3, 4)])
        self.assertEqual(self.found('extern "C" {\nint f(void) {\n}\n}\n'), [("f", 2, 3)])
        aligned = "struct alignas(64) A {\n  int x = 0;\n  bool operator==(const A&) const {\n  }\n};\n"
        self.assertEqual(self.found(aligned), [("operator==", 3, 4)])
        self.assertEqual(self.found('TEST_CASE("a { b") {\n  auto f = [] { return 1; };\n}\n'), [("TEST_CASE", 1, 3)])
        self.assertEqual(self.found("#define M(x) \\\n  { x\nint f(int a = 1) {\n}\n"), [("f", 3, 4)])

    def test_literals_and_comments_are_blanked(self):
        for text in ["'{'", '"{\\""', "// {", "/* {\n */", 'R"(\n{)"']:
            blank = blank_literals(text)
            self.assertNotIn("{", blank)
            self.assertEqual(len(blank), len(text))
            self.assertEqual(blank.count("\n"), text.count("\n"))
        self.assertEqual(blank_literals("x = 1'000'000;"), "x = 1'000'000;")


class Purity(unittest.TestCase):
    COMPILER = "cc"

    def check(self, *units):
        """Compiles each text to an archive of its own; returns the symbols complained of, with the reasons."""
        with tempfile.TemporaryDirectory() as scratch:
            archives = []
            for index, text in enumerate(units):
                base = pathlib.Path(scratch) / f"unit{index}"
                base.with_suffix(".c").write_text(text, encoding="utf-8")
                subprocess.run([self.COMPILER, "-O1", "-w", "-c", f"{base}.c", "-o", f"{base}.o"], check=True)
                subprocess.run(["ar", "rcs", f"{base}.a", f"{base}.o"], check=True)
                archives.append(f"{base}.a")
            tools = types.SimpleNamespace(nm="nm", lto_compiler=[])
            return [v.message for v in purity.check(archives, tools)]

    def test_memory_and_string_primitives_are_pure(self):
        self.assertEqual(self.check("#include <string.h>\nint f(char* a, char* b, size_t n) {\n"
                                    "  memmove(a, b, n);\n  return memcmp(a, b, n + 1);\n}\n"), [])

    def test_impure_calls_are_found(self):
        for name, reason in [("malloc", "allocates"), ("_Znwm", "allocates"), ("clock_gettime", "reads a clock"),
                             ("time", "reads a clock"), ("sendmsg", "calls the system"), ("socket", "calls the system"),
                             ("pthread_mutex_lock", "needs threads or locks"), ("__cxa_throw", "throws"),
                             ("_ZSt20__throw_length_errorPKc", "throws"),
                             ("SSL_new", "is not on the list of the pure")]:
            with self.subTest(name=name):
                self.assertEqual(self.check(f"extern long {name}();\nlong f() {{ return {name}(); }}\n"),
                                 [f"{name} {reason}"])

    def test_what_another_pure_library_defines_is_pure(self):
        self.assertEqual(self.check("int g(void);\nint f(void) { return g(); }\n", "int g(void) { return 1; }\n"), [])

    def test_sanitizers_may_add_their_own(self):
        self.assertEqual(self.check("void __asan_report_load8(void);\nvoid f(void) { __asan_report_load8(); }\n"), [])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Purity.COMPILER = sys.argv.pop(1)
    unittest.main(verbosity=0)
