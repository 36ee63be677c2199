"""The top level is exactly what the design says, and each folder introduces itself."""
from source import FOLDERS, Violation

FILES = {"meson.build", "meson_options.txt", "README.md", "LICENSE"}


def check(paths):
    tops = {p.split("/", 1)[0] for p in paths}
    allowed = FILES | set(FOLDERS)
    for top in sorted(tops - allowed):
        if not top.startswith("."):
            yield Violation(top, 1, "layout", "does not belong to the top level",
                            "Move it into " + ", ".join(FOLDERS) + ", or delete it")
    for missing in sorted(allowed - tops):
        yield Violation(missing, 1, "layout", "is missing from the top level", "Add it")
    for folder in FOLDERS:
        if folder in tops and f"{folder}/README.md" not in paths:
            yield Violation(f"{folder}/README.md", 1, "layout", "is missing",
                            "Say in a few lines what the folder holds")
