"""Rules about single lines: width, banned calls, marks of unfinished work, places and licences."""
import re

from source import CODE, line_of

WIDTH_MAX = 120
LINES_MAX = 600

# Written in two pieces so that this file keeps its own rules.
MARKS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
PLACES = re.compile(r"(?<![\w.*-])(/wo" + r"rk/|/home/\w|/ro" r"ot/)")
REGISTRY = re.compile(r"https?://[^\s/\"'<>)]*(registry|artifactory|nexus|pypi|goproxy|proxy\.golang|"
                      r"pythonhosted|verdaccio)[^\s/\"'<>)]*")
RESERVED_HOSTS = re.compile(r"(\.|//)example(\.com|\.org|\.net)?(:\d+)?$")

CALL = r"(?<![\w.>:~])(?:std::|::)?"
BANNED = [
    (re.compile(CALL + r"(v?f?printf|puts)\s*\("), "prints", "Return an error, count it, or log on the control thread"),
    (re.compile(CALL + r"(strcpy|strcat|strncpy|v?sprintf|gets|strtok)\s*\("), "is unbounded C text",
     "Use std::string_view, spans and fmt"),
    (re.compile(CALL + r"(s?rand|drand48)\s*\("), "is weak or hidden randomness",
     "Take random bytes as an argument"),
    (re.compile(r"\bstd::w?(regex|smatch|cmatch)\b"), "is slow and recursive", "Parse by hand with bounded readers"),
    # A member function of our own may be called sleep.
    (re.compile(r"((?<![\w>])::sleep|" + CALL + r"(usleep|nanosleep|clock_nanosleep)|"
                r"\bthis_thread\s*::\s*sleep_(for|until))\s*\("), "sleeps",
     "Wait for the event: a deadline in the timer wheel or an eventfd"),
]
SHARED = re.compile(r"\b(shared_ptr|make_shared|weak_ptr)\b")
SHARD_FILES = re.compile(r"^(net/|engine/(shard|role)[^/]*(/|$))")


def check(source):
    yield from check_lines(source)
    if source.suffix in CODE - {""} and len(source.lines) > LINES_MAX + 1:
        yield source.violation(LINES_MAX + 1, "file-length",
                               f"has {len(source.lines) - 1} lines, more than {LINES_MAX}", "Split it by subject")
    if source.is_cxx and source.path.startswith(("net/", "engine/")):
        yield from check_calls(source)
    if source.name.endswith(".bpf.c") and "Dual BSD/GPL" not in source.text:
        yield source.violation(1, "bpf-licence", "a BPF source does not say Dual BSD/GPL",
                               'Add char LICENSE[] SEC("license") = "Dual BSD/GPL"; some kernel helpers ask for it')


def check_lines(source):
    for number, line in enumerate(source.lines, 1):
        if source.suffix in CODE and len(line) > WIDTH_MAX:
            yield source.violation(number, "width", f"is {len(line)} columns wide, more than {WIDTH_MAX}",
                                   "Break the line; clang-format does it for C++")
        if match := MARKS.search(line):
            yield source.violation(number, "mark", f"{match.group(1)} marks unfinished work",
                                   "Finish it, or state the limit as a fact")
        if match := PLACES.search(line):
            yield source.violation(number, "place", f"{match.group(1)} exists on one machine only",
                                   "Use a path relative to the root, or an argument")
        if (match := REGISTRY.search(line)) and not RESERVED_HOSTS.search(match.group(0)):
            yield source.violation(number, "registry", f"names the package registry {match.group(0)}",
                                   "Leave the choice of registry to the client's own settings")


def check_calls(source):
    for pattern, what, fix in BANNED:
        for match in pattern.finditer(source.code):
            name = match.group(0).strip(" (\t\n")
            yield source.violation(line_of(source.code, match.start()), "banned-call", f"{name} {what}", fix)
    if SHARD_FILES.match(source.path):
        for match in SHARED.finditer(source.code):
            yield source.violation(line_of(source.code, match.start()), "shared-ptr",
                                   f"{match.group(1)} shares ownership across shards",
                                   "Use a slab handle with a generation: no pointer crosses shards")
