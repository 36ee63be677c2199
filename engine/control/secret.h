// Secrets: read from files only, kept in memory that is wiped, compared in constant time, never printed.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace sluice::control {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  Secret& operator=(const Secret&) = default;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  bool empty() const { return value_.empty(); }
  /// For HMAC only; do not copy it, do not log it.
  std::string_view reveal() const { return value_; }
  /// Time depends on neither content; false if this is empty.
  bool matches(std::string_view presented) const;

 private:
  void wipe();
  std::string value_;
};

struct SecretFile {
  Secret secret;
  std::string warning;  ///< e.g. readable by everybody, short; empty if nothing is odd
};

/// `reference` is "@PATH". The file's first line without its newline is the secret: 1..4096 bytes of
/// printable ASCII. The error is a sentence that never contains what was passed instead of a reference.
std::expected<SecretFile, std::string> read_secret(std::string_view reference);
/// The whole file, for files of several lines; at most 64 KiB. What the lines may hold is the caller's
/// affair.
std::expected<SecretFile, std::string> read_secret_file(std::string_view reference);

}  // namespace sluice::control
