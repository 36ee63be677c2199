"""embed.py NAME OBJECT HEADER: the bytes of a compiled BPF object as the C++ array NAME."""
import pathlib
import sys

name, source, header = sys.argv[1:]
data = pathlib.Path(source).read_bytes()
rows = "\n".join("    " + "".join(f"{b}," for b in data[i:i + 24]) for i in range(0, len(data), 24))
pathlib.Path(header).write_text(
    f"#pragma once\nalignas(8) inline constexpr unsigned char {name}[] = {{\n{rows}\n}};\n")
