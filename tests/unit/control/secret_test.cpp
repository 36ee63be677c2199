#include "engine/control/secret.h"

#include "tests/support/temp_folder.h"

using namespace sluice::control;
using sluice::test::TempFile;

namespace {

constexpr const char* kLong = "0123456789abcdef0123456789abcdef";

}  // namespace

TEST_CASE("the secret is the file's first line") {
  for (const std::string end : {"", "\n", "\r\n", "\nsecond line"}) {
    const TempFile file(kLong + end);
    const auto read = read_secret(file.reference());
    REQUIRE(read.has_value());
    CHECK(read->secret.reveal() == kLong);
    CHECK(read->warning.empty());
  }
}

TEST_CASE("a literal secret is refused and not repeated") {
  const auto read = read_secret("hunter2hunter2");
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().find("@FILE") != std::string::npos);
  CHECK(read.error().find("hunter2") == std::string::npos);
}

TEST_CASE("files that cannot serve are named with the reason") {
  CHECK(read_secret("@").error().find("no file") != std::string::npos);
  CHECK(read_secret("@/nonexistent/secret").error().find("No such file") != std::string::npos);
  CHECK_FALSE(read_secret("@/tmp").has_value());
  CHECK(read_secret(TempFile("\n").reference()).error().find("empty") != std::string::npos);
  CHECK(read_secret(TempFile("caf\xc3\xa9 0123456789abcdef").reference()).error().find("ASCII") !=
        std::string::npos);
  CHECK(read_secret(TempFile(std::string(4097, 'a')).reference()).error().find("4096") != std::string::npos);
  CHECK(read_secret(TempFile(std::string(4096, 'a')).reference()).has_value());
}

TEST_CASE("a file of keys that holds nothing is refused, not taken for none") {
  for (const std::string text : {"", "\n", " \r\n\t\n"}) {
    const TempFile file(text);
    const auto read = read_secret_file(file.reference());
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().find("is empty") != std::string::npos);
  }
  CHECK(read_secret_file(TempFile("\nkey\n").reference())->secret.reveal() == "\nkey\n");
}

TEST_CASE("a file that everybody may read and a short secret are warned about") {
  const TempFile open(kLong, 0644);
  CHECK(read_secret(open.reference())->warning.find("chmod 600") != std::string::npos);
  const TempFile brief("hunter2");
  CHECK(read_secret(brief.reference())->warning.find("at least 16") != std::string::npos);
}

TEST_CASE("a secret matches itself only, and an empty one matches nothing") {
  const Secret s{std::string(kLong)};
  CHECK(s.matches(kLong));
  CHECK_FALSE(s.matches(""));
  CHECK_FALSE(s.matches(std::string(kLong) + "0"));
  CHECK_FALSE(s.matches(std::string(kLong).substr(1)));
  CHECK_FALSE(Secret().matches(""));
}

TEST_CASE("a moved-from secret holds nothing") {
  Secret a{std::string(kLong)};
  const Secret b(std::move(a));
  CHECK(a.empty());
  CHECK(b.matches(kLong));
}
