#include "engine/control/json.h"

#include <limits>

#include <doctest/doctest.h>

using sluice::control::Json;

TEST_CASE("objects and arrays nest with commas where they belong") {
  Json j;
  j.begin_object()
      .member("a", 1)
      .key("b")
      .begin_array()
      .value(true)
      .null()
      .begin_object()
      .end_object()
      .end_array();
  j.member("c", "d").end_object();
  CHECK(j.take() == R"({"a":1,"b":[true,null,{}],"c":"d"})");
}

TEST_CASE("numbers keep three digits and what is no number is null") {
  Json j;
  j.begin_array().value(1.23456).value(0.1).value(-2.0).value(std::numeric_limits<double>::quiet_NaN());
  j.value(std::numeric_limits<double>::infinity()).value(UINT64_MAX).end_array();
  CHECK(j.take() == "[1.235,0.1,-2,null,null,18446744073709551615]");
}

TEST_CASE("text is escaped and broken UTF-8 is replaced") {
  const auto text = [](std::string_view s) {
    Json j;
    return j.value(s).take();
  };
  CHECK(text("a\"b\\c\n\x01\x7f") == "\"a\\\"b\\\\c\\u000a\\u0001\\u007f\"");
  CHECK(text("é€😀") == "\"é€😀\"");
  CHECK(text("\xc3") == "\"\\ufffd\"");
  CHECK(text("\xc0\xaf") == "\"\\ufffd\\ufffd\"");
  CHECK(text("\xed\xa0\x80") == "\"\\ufffd\\ufffd\\ufffd\"");
  CHECK(text("\xf5\x80\x80\x80") == "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
}
