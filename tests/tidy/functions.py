"""Length of C++ functions, found by counting braces; right for text in the house's clang-format style."""
import re

FUNCTION_MAX = 70
SHORTER = {"run_once": 60}

DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
TEMPLATE = re.compile(r"\btemplate\s*<")
SCOPE = re.compile(r"^\s*(?:(?:inline|export)\s+)*namespace\b|^\s*extern\s*\"[^\"]*\"\s*$")
TYPE = re.compile(r"^\s*(?:typedef\s+)?(?:class|struct|union|enum)\b")


def check(source):
    if not source.is_cxx:
        return
    for name, first, last in functions(source.code):
        limit = SHORTER.get(name.rsplit("::", 1)[-1], FUNCTION_MAX)
        if last - first + 1 > limit:
            yield source.violation(first, "function-length", f"{name} has {last - first + 1} lines, more than {limit}",
                                   "Give a part of it a name of its own")


def functions(code):
    """(name, first line, last line) of each function that has a body. `code` has no comments and literals."""
    code = DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), code)
    open_braces = []  # (kind, head, line of the head)
    head_start = 0
    for match in re.finditer(r"[{};]", code):
        at, mark = match.start(), match.group(0)
        inside = open_braces[-1][0] if open_braces else "scope"
        if mark == "{":
            kind = "block" if inside in ("function", "block", "value") else kind_of(code, head_start, at)
            open_braces.append((kind, code[head_start:at], line_at(code, head_start)))
            if kind != "value":
                head_start = at + 1
        elif mark == "}":
            if not open_braces:
                continue
            kind, head, line = open_braces.pop()
            if kind == "function":
                yield name_of(head), line, code.count("\n", 0, at) + 1
            if kind != "value" and inside != "value":
                head_start = at + 1
        elif inside in ("scope", "type"):
            head_start = at + 1


def line_at(code, offset):
    """Line of the first character at or after `offset` that is not blank."""
    offset += len(code[offset:]) - len(code[offset:].lstrip())
    return code.count("\n", 0, offset) + 1


def kind_of(code, start, brace):
    """What a brace opens that is not inside a function: scope, type, value (an initialiser) or function."""
    head = strip_templates(code[start:brace])
    head = re.sub(r"^\s*(?:(?:public|protected|private)\s*:\s*)+", "", head)
    head = re.sub(r"\balignas\s*\([^()]*\)|\[\[.*?\]\]", " ", head, flags=re.S)
    if SCOPE.search(head):
        return "scope"
    plain = without_parentheses(head)
    if TYPE.search(head) and "(" not in plain:
        return "type"
    # `x{1}` is glued to its brace, the body of a function is not.
    if brace > 0 and not code[brace - 1].isspace():
        return "value"
    if "(" not in head or re.search(r"=|\breturn\s*$", re.sub(r"\boperator\s*\W+", "operator ", plain)):
        return "value"
    return "function"


def strip_templates(head):
    """Takes `template <class T>` away, so that its `class` does not look like a type's."""
    while match := TEMPLATE.search(head):
        depth, at = 1, match.end()
        while at < len(head) and depth:
            depth += {"<": 1, ">": -1}.get(head[at], 0)
            at += 1
        head = head[:match.start()] + head[at:]
    return head


def without_parentheses(head):
    """`f(int a = g(1)) const` becomes `f() const`; a `(` is left only where nothing closes it."""
    before = None
    while before != head:
        before, head = head, re.sub(r"\([^()]*\)", "", head)
    return head


def name_of(head):
    head = strip_templates(head)
    match = re.search(r"([~\w:]+|operator\s*\W+?)\s*\(", head)
    return match.group(1) if match else "function"
