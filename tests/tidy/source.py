"""The files of the source tree, and C++ text without its comments and literals."""
import pathlib
import re
import subprocess
from typing import NamedTuple

FOLDERS = ("net", "codec", "engine", "tools", "bench", "tests")
CXX = {".h", ".cpp", ".c"}
CODE = CXX | {".py", ".js", ".mjs", ".css", ".html", ".build", ".sh", ""}
# Recorded or generated text: nobody wrote it here, so no rule of style holds for it.
DATA = ("tests/data/", "tests/fuzz/corpus/")
GENERATED = {"package-lock.json"}


class Violation(NamedTuple):
    path: str
    line: int
    rule: str
    message: str
    fix: str

    def __str__(self):
        return f"{self.path}:{self.line}: [{self.rule}] {self.message}. {self.fix}"


class Source:
    """One text file. `path` is relative to the root, with forward slashes."""

    def __init__(self, root, path):
        self.path = path
        self.suffix = pathlib.PurePosixPath(path).suffix
        self.name = pathlib.PurePosixPath(path).name
        self.text = (pathlib.Path(root) / path).read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.split("\n")
        self._code = None

    @property
    def is_cxx(self):
        return self.suffix in CXX

    @property
    def code(self):
        """C and C++ text of the same shape in which comments and the insides of literals are blanks."""
        if self._code is None:
            self._code = blank_literals(self.text)
        return self._code

    def violation(self, line, rule, message, fix):
        return Violation(self.path, line, rule, message, fix)


LITERAL = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | R"(?P<delimiter>[^(\s"]*)\(.*?\)(?P=delimiter)"
      | "(?:\\.|[^"\\\n])*"
      | (?<![0-9A-Za-z_])(?:u8|u|U|L)?'(?:\\.|[^'\\\n])+'   # not the separators of 1'000
    """,
    re.S | re.X,
)


def blank_literals(text):
    def blank(match):
        literal = match.group(0)
        quote = literal[-1] if literal[0] != "/" else " "
        inner = re.sub(r"[^\n]", " ", literal)
        return quote + inner[1:-1] + quote if quote != " " else inner

    return LITERAL.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def list_files(root):
    """What is, or would be, under version control: relative paths, sorted."""
    try:
        out = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"],
            check=True, capture_output=True, text=True).stdout
        paths = [p for p in out.split("\0") if p]
    except (OSError, subprocess.CalledProcessError):
        paths = walk(pathlib.Path(root))
    return sorted(p for p in set(paths) if (pathlib.Path(root) / p).is_file())


def walk(root):
    """For trees without git: everything but build folders, caches and what begins with a dot."""
    skipped = re.compile(r"(^|/)(\.|node_modules/|__pycache__/)|^build[^/]*/")
    for path in root.rglob("*"):
        relative = path.relative_to(root).as_posix()
        if path.is_file() and not skipped.search(relative):
            yield relative


def is_style_bound(path):
    name = pathlib.PurePosixPath(path).name
    return not path.startswith(DATA) and name not in GENERATED


def is_text(root, path):
    with open(pathlib.Path(root) / path, "rb") as file:
        return b"\0" not in file.read(4096)
