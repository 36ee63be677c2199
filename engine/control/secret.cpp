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
constexpr size_t kShort = 16;

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest digest(std::string_view s) {
  Digest d;
  SHA256(reinterpret_cast<const unsigned char*>(s.data()), s.size(), d.data());
  return d;
}

std::string oddities(const std::string& path, size_t length) {
  std::string out;
  struct stat st{};
  if (::stat(path.c_str(), &st) == 0 && (st.st_mode & S_IROTH) != 0)
    out = fmt::format("{} is readable by every user of this machine; chmod 600 it", path);
  if (length < kShort) {
    if (!out.empty()) out += "; ";
    out += fmt::format("{} holds {} characters, use at least {}, e.g. from openssl rand -hex 32", path,
                       length, kShort);
  }
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
  if (reference.empty() || reference.front() != '@')
    return std::unexpected(
        "takes @FILE, a file that holds the secret; a secret on the command line is visible to other users");
  const std::string path(reference.substr(1));
  if (path.empty()) return std::unexpected("names no file behind the @");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text(kMaxBytes + 2, '\0');
  if (!in || !(in.read(text.data(), static_cast<std::streamsize>(text.size())) || in.eof()))
    return std::unexpected(fmt::format("cannot read {}: {}", path, std::strerror(errno != 0 ? errno : EIO)));
  const auto length = static_cast<size_t>(in.gcount());
  Secret whole(text.substr(0, std::min(text.find_first_of("\r\n"), length)));
  crypto::cleanse({reinterpret_cast<uint8_t*>(text.data()), text.size()});
  const std::string_view value = whole.reveal();
  if (value.empty())
    return std::unexpected(fmt::format("{} is empty; write the secret on its first line", path));
  if (value.size() > kMaxBytes)
    return std::unexpected(fmt::format("{} holds more than {} bytes on its first line", path, kMaxBytes));
  if (!std::ranges::all_of(value, [](char c) { return c >= 0x20 && c < 0x7f; }))
    return std::unexpected(
        fmt::format("{} holds bytes that are not printable ASCII; use base64 or hex", path));
  std::string warning = oddities(path, value.size());
  return SecretFile{std::move(whole), std::move(warning)};
}

}  // namespace sluice::control
