// The files of tools/console, compiled in by tools/embed.py.
#pragma once

#include <span>

#include "engine/control/http/static.h"

namespace sluice {
std::span<const http::StaticFile> console_files();
}
