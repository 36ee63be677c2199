"""Which way include lines may point: tools, bench, tests -> engine -> codec -> net/base; engine -> net/*."""
import re

from source import FOLDERS

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)

# For each top-level folder the prefixes that it may include.
ALLOWED = {
    "net": ("net/",),
    "codec": ("codec/", "net/base/"),
    "engine": ("engine/", "codec/", "net/"),
    "tools": ("tools/", "engine/", "codec/", "net/"),
    "bench": ("bench/", "tests/", "engine/", "codec/", "net/"),
    "tests": ("tests/", "tools/", "engine/", "codec/", "net/"),
}
PURE = ("net/base/", "net/wire/", "net/stun/", "net/ice/", "net/turn/", "net/trunk/", "net/rtp/", "net/rtcp/",
        "net/bwe/")
# Link, network and transport headers are the backends' affair, as the kernel's are.
IO_SEES = ("net/io/", "net/base/", "net/wire/headers.h", "net/wire/checksum.h")
# Headers that allocate, wait, throw or ask the system.
IMPURE = {
    "string", "vector", "deque", "list", "forward_list", "map", "set", "unordered_map", "unordered_set",
    "functional", "any", "iostream", "sstream", "fstream", "ostream", "istream", "stdexcept", "exception", "chrono",
    "thread", "mutex", "condition_variable", "future", "random", "filesystem", "regex", "format", "locale", "cstdlib",
    "stdlib.h", "ctime", "time.h", "unistd.h", "pthread.h", "stdio.h", "cstdio", "sys/socket.h", "sys/types.h",
    "netinet/in.h", "arpa/inet.h",
}


def check(source):
    if not source.is_cxx or not source.path.startswith(tuple(f + "/" for f in FOLDERS)):
        return
    for match in INCLUDE.finditer(source.text):
        line = source.text.count("\n", 0, match.start(2)) + 1
        reason = judge(source.path, match.group(1) == '"', match.group(2))
        if reason:
            yield source.violation(line, "include", *reason)


def judge(path, is_quoted, target):
    """(message, fix) or None."""
    if not is_quoted:
        if path.startswith(PURE) and target in IMPURE:
            return (f"a pure library includes <{target}>",
                    "Take caller memory, spans and fixed arrays, and times as arguments")
        return None
    if not target.startswith(tuple(f + "/" for f in FOLDERS)):
        return f'"{target}" is not relative to the root', 'Write "net/base/units.h"; third-party headers go in <>'
    top = path.split("/", 1)[0]
    if not target.startswith(ALLOWED[top]):
        return (f"{top}/ includes {target}",
                "Includes point down: tools, bench, tests -> engine -> codec -> net/base; engine -> net/*")
    if path.startswith("net/base/") and not target.startswith("net/base/"):
        return f"net/base includes {target}", "net/base stands on nothing of Sluice's"
    if path.startswith("net/io/") and not target.startswith(IO_SEES):
        return f"net/io includes {target}", "net/io knows no protocol; only engine/ sees both"
    if path.startswith("net/") and not path.startswith("net/io/") and target.startswith("net/io/"):
        return f"a protocol includes {target}", "Turn bytes and a time into bytes and events; engine/ does the I/O"
    if path.startswith("engine/control/") and target.startswith(("codec/", "engine/")):
        if target != "engine/sluice.h" and not target.startswith("engine/control/"):
            return (f"the control layer includes {target}",
                    "It is a client of the C API: of engine/ include engine/sluice.h and engine/control/ only")
    return None
