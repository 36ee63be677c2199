// What must hold in every build, in tests that are no doctest program.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

inline void require(bool holds, std::source_location at = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: invariant broken\n", at.file_name(), at.line());
  std::abort();
}
