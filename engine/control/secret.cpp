#include "engine/control/secret.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include "net/crypto/secret.h"

namespace sluice::control {
namespace {

constexpr size_t kMaxBytes = 4096;
constexpr size_t kMaxFileBytes = 65536;
constexpr size_t kShort = 16;

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest digest(std::string_view s) {
  Digest d;
  SHA256(reinterpret_cast<const unsigned char*>(s.data()), s.size(), d.data());
  return d;
}

std::string exposure(const std::string& path) {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0 || (st.st_mode & S_IROTH) == 0) return {};
  return fmt::format("{} is readable by every user of this machine; chmod 600 it", path);
}

std::string oddities(const std::string& path, size_t length) {
  std::string out = exposure(path);
  if (length < kShort) {
    if (!out.empty()) out += "; ";
    out += fmt::format("{} holds {} characters, use at least {}, e.g. from openssl rand -hex 32", path,
                       length, kShort);
  }
  return out;
}

std::expected<std::string, std::string> path_of(std::string_view reference) {
  if (reference.empty() || reference.front() != '@')
    return std::unexpected(
        "takes @FILE, a file that holds the secret; a secret on the command line is visible to other users");
  if (reference.size() == 1) return std::unexpected("names no file behind the @");
  return std::string(reference.substr(1));
}

/// At most `max` bytes from the file's beginning.
std::expected<Secret, std::string> read_bytes(const std::string& path, size_t max) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text(max, '\0');
  if (!in || !(in.read(text.data(), static_cast<std::streamsize>(text.size())) || in.eof()))
    return std::unexpected(fmt::format("cannot read {}: {}", path, std::strerror(errno != 0 ? errno : EIO)));
  Secret out(text.substr(0, static_cast<size_t>(in.gcount())));
  crypto::cleanse({reinterpret_cast<uint8_t*>(text.data()), text.size()});
  return out;
}

}  // namespace

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    value_ = other.value_;
    other.wipe();
  }
  return *this;
}

bool Secret::matches(std::string_view presented) const {
  // Digests have one length, so the comparison tells nothing about the secret's.
  const Digest a = digest(value_);
  const Digest b = digest(presented);
  return crypto::equal_constant_time(a, b) && !value_.empty();
}

void Secret::wipe() {
  if (!value_.empty()) crypto::cleanse({reinterpret_cast<uint8_t*>(value_.data()), value_.size()});
  value_.clear();
}

std::expected<SecretFile, std::string> read_secret(std::string_view reference) {
  const auto path = path_of(reference);
  if (!path) return std::unexpected(path.error());
  const auto text = read_bytes(*path, kMaxBytes + 2);
  if (!text) return std::unexpected(text.error());
  Secret line(std::string(text->reveal().substr(0, text->reveal().find_first_of("\r\n"))));
  const std::string_view value = line.reveal();
  if (value.empty())
    return std::unexpected(fmt::format("{} is empty; write the secret on its first line", *path));
  if (value.size() > kMaxBytes)
    return std::unexpected(fmt::format("{} holds more than {} bytes on its first line", *path, kMaxBytes));
  if (!std::ranges::all_of(value, [](char c) { return c >= 0x20 && c < 0x7f; }))
    return std::unexpected(
        fmt::format("{} holds bytes that are not printable ASCII; use base64 or hex", *path));
  std::string warning = oddities(*path, value.size());
  return SecretFile{std::move(line), std::move(warning)};
}

std::expected<SecretFile, std::string> read_secret_file(std::string_view reference) {
  const auto path = path_of(reference);
  if (!path) return std::unexpected(path.error());
  auto text = read_bytes(*path, kMaxFileBytes + 1);
  if (!text) return std::unexpected(text.error());
  if (text->reveal().size() > kMaxFileBytes)
    return std::unexpected(fmt::format("{} holds more than {} bytes", *path, kMaxFileBytes));
  if (text->reveal().find('\0') != std::string_view::npos)
    return std::unexpected(fmt::format("{} holds a zero byte; write a line of text for each secret", *path));
  // What holds nothing must not pass for what was not given.
  if (text->reveal().find_first_not_of(" \t\r\n") == std::string_view::npos)
    return std::unexpected(fmt::format("{} is empty; write the secret on its first line", *path));
  return SecretFile{std::move(*text), exposure(*path)};
}

}  // namespace sluice::control
