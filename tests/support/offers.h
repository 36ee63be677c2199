// What browsers offered, recorded in tests/data/offers.
#pragma once

#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

namespace sluice::test {

inline std::string offer(const std::string& name) {
  std::ifstream in(std::string(SLUICE_OFFERS) + "/" + name, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  REQUIRE_FALSE(text.empty());
  return text;
}

}  // namespace sluice::test
