// An invariant that a fuzz target holds its input to, in every build.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

inline void require(bool holds, std::source_location at = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: invariant broken\n", at.file_name(), at.line());
  std::abort();
}
