#!/usr/bin/env python3
"""Turns files into C++ source.

embed.py text FILE SYMBOL OUT       const std::string_view sluice::http::SYMBOL
embed.py files DIRECTORY OUT DEPFILE   std::span<const StaticFile> sluice::console_files(), every file below DIRECTORY
"""
import hashlib
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".json": "application/json", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml",
    ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2", ".wav": "audio/wav",
    ".txt": "text/plain; charset=utf-8",
}


def array(name, data):
    lines = [f"constexpr unsigned char {name}[] = {{"]
    for i in range(0, len(data), 24):
        lines.append(",".join(str(b) for b in data[i:i + 24]) + ",")
    lines.append("0};")
    return "\n".join(lines)


def view(name, size):
    return f"{{reinterpret_cast<const char*>({name}), {size}}}"


def text(path, symbol, out):
    with open(path, "rb") as f:
        data = f.read()
    with open(out, "w") as f:
        f.write("#include <string_view>\nnamespace sluice::http {\n"
                f"extern const std::string_view {symbol};\nnamespace {{\n{array('data', data)}\n}}\n"
                f"const std::string_view {symbol}{view('data', len(data))};\n}}\n")


def files(directory, out, depfile):
    found, watched = [], []
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(d for d in folders if not d.startswith("."))
        watched.append(folder)
        for name in sorted(names):
            if os.path.splitext(name)[1] in TYPES:
                found.append(os.path.join(folder, name))
    if not watched:
        watched = [os.path.dirname(directory)]
    body, table = [], []
    for i, path in enumerate(found):
        with open(path, "rb") as f:
            data = f.read()
        tag = hashlib.sha256(data).hexdigest()[:20]
        relative = os.path.relpath(path, directory)
        body.append(array(f"file_{i}", data))
        table.append(f'{{"{relative}", "{TYPES[os.path.splitext(path)[1]]}", "\\"{tag}\\"", '
                     f"{view(f'file_{i}', len(data))}}},")
    with open(out, "w") as f:
        f.write('#include "tools/sluice/console_files.h"\nnamespace sluice {\nnamespace {\n' + "\n".join(body) +
                "\n}\nstd::span<const http::StaticFile> console_files() {\n")
        if table:
            f.write("static const http::StaticFile files[] = {\n" + "\n".join(table) + "\n};\nreturn files;\n}\n}\n")
        else:
            f.write("return {};\n}\n}\n")
    with open(depfile, "w") as f:
        f.write(out + ": " + " ".join(p.replace(" ", "\\ ") for p in watched + found) + "\n")


if __name__ == "__main__":
    {"text": text, "files": files}[sys.argv[1]](*sys.argv[2:])
