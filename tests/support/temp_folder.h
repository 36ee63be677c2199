// A folder of a test's own, gone with it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

namespace sluice::test {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(path_); }

  std::string operator/(std::string_view name) const { return (path_ / name).string(); }
  const std::filesystem::path& path() const { return path_; }
  /// Writes a file that only its owner may read, or with other permissions; returns "@PATH".
  std::string file(std::string_view name, std::string_view text, unsigned mode = 0600) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    std::filesystem::permissions(path_ / name, std::filesystem::perms(mode));
    return "@" + (*this / name);
  }

 private:
  std::filesystem::path path_;
};

/// One file in a folder of its own.
class TempFile {
 public:
  explicit TempFile(std::string_view text, unsigned mode = 0600)
      : reference_(folder_.file("file", text, mode)) {}
  /// "@PATH"
  const std::string& reference() const { return reference_; }
  std::string path() const { return folder_ / "file"; }

 private:
  TempFolder folder_;
  std::string reference_;
};

}  // namespace sluice::test
