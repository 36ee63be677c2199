"""embed.py OBJECT HEADER: the bytes of a compiled BPF object as a C++ array."""
import pathlib
import sys

data = pathlib.Path(sys.argv[1]).read_bytes()
rows = "\n".join("    " + "".join(f"{b}," for b in data[i:i + 24]) for i in range(0, len(data), 24))
pathlib.Path(sys.argv[2]).write_text(
    "#pragma once\nalignas(8) inline constexpr unsigned char kSteerObject[] = {\n" + rows + "\n};\n")
