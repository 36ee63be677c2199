"""What the pure libraries ask of the outside: memory and string primitives, assertions and nothing else."""
import os
import re
import subprocess
import tempfile

from source import Violation

ALLOWED = re.compile(
    r"""^(
      mem(cpy|move|set|cmp|chr|rchr|mem|pcpy) | __mem(cpy|move|set)_chk | bcmp
    | str(len|nlen|cmp|ncmp|chr|rchr|str)
    | abort | __assert_fail | __stack_chk_fail | _ZSt21__glibcxx_assert_fail\w*
    | _GLOBAL_OFFSET_TABLE_ | __dso_handle
    | __(popcount|clz|ctz|ffs|bswap|u?div|u?mod|mul)\w*[sdt]i[234]   # arithmetic of libgcc
    )$""",
    re.X,
)
SANITIZERS = re.compile(r"^(__(asan|ubsan|tsan|hwasan|msan|sanitizer|sancov|gcov|llvm_prof)\w*|_?_start___sancov\w*|"
                        r"__stop___sancov\w*)$")
REASONS = [
    (re.compile(r"^(malloc|calloc|realloc|free|aligned_alloc|posix_memalign|_Zn[wa]\w*|_Zd[la]\w*)$"), "allocates"),
    (re.compile(r"^(clock\w*|gettimeofday|time|_ZNSt6chrono\w*)$"), "reads a clock"),
    (re.compile(r"^(socket|send\w*|recv\w*|read|write|open\w*|close|epoll\w*|io_uring\w*|syscall)$"),
     "calls the system"),
    (re.compile(r"^(pthread_\w*|__cxa_guard_\w*|sem_\w*|_ZNSt6thread\w*)$"), "needs threads or locks"),
    (re.compile(r"^(__cxa_\w*|_Unwind_\w*|__gxx_personality\w*|_ZSt\d+__throw_\w*)$"), "throws"),
]


def check(archives, tools):
    """`tools` names nm and, if the archives hold GCC's link-time code only, the compiler that finishes it."""
    with tempfile.TemporaryDirectory() as scratch:
        objects = [(a, finished(a, scratch, tools)) for a in archives]
        defined = set()
        for _, path in objects:
            defined |= {symbol for symbol, kind, _ in symbols(path, tools) if kind not in "Uwv"}
        for archive, path in objects:
            yield from judge(os.path.basename(archive), symbols(path, tools), defined)


def judge(archive, entries, defined):
    seen = set()
    for symbol, kind, member in entries:
        if kind != "U" or symbol in defined or symbol in seen:
            continue
        seen.add(symbol)
        if ALLOWED.match(symbol) or SANITIZERS.match(symbol):
            continue
        reason = next((text for pattern, text in REASONS if pattern.match(symbol)), "is not on the list of the pure")
        yield Violation(f"{archive}({member})", 1, "purity", f"{symbol} {reason}",
                        "Pass in memory, time and randomness; move what cannot be pure to a tame library or engine/")


def finished(archive, scratch, tools):
    """Code as it will run: link-time code is compiled to an object first, since it hides calls of built-ins."""
    if not tools.lto_compiler:
        return archive
    out = os.path.join(scratch, os.path.basename(archive) + ".o")
    subprocess.run([*tools.lto_compiler, "-r", "-nostdlib", "-O2", "-flto", "-flinker-output=nolto-rel", "-w",
                    "-Wl,--whole-archive", archive, "-o", out], check=True)
    return out


def symbols(path, tools):
    """(symbol, kind letter of nm, member)."""
    out = subprocess.run([tools.nm, "--print-file-name", "--no-demangle", path], check=True, capture_output=True,
                         text=True).stdout
    found = []
    for line in out.splitlines():
        match = re.match(r"(?:.*[:/])?([^:/]+):\s*(?:[0-9a-fA-F]+\s+)?([A-Za-z])\s+(\S+)$", line)
        if match:
            found.append((match.group(3).split("@")[0], match.group(2), match.group(1)))
    return found
