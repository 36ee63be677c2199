// Big-endian loads and stores, and bounded cursors over bytes that an attacker wrote.
// Pure: no allocation, clock, system call or exception.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace sluice {

using Bytes = std::span<const uint8_t>;
using MutBytes = std::span<uint8_t>;

template <class T>
constexpr T byteswap_if_little(T v) {
  if constexpr (sizeof(T) == 1 || std::endian::native == std::endian::big)
    return v;
  else if constexpr (sizeof(T) == 2)
    return static_cast<T>(__builtin_bswap16(v));
  else if constexpr (sizeof(T) == 4)
    return static_cast<T>(__builtin_bswap32(v));
  else
    return static_cast<T>(__builtin_bswap64(v));
}

/// Network-order load; the caller has checked that sizeof(T) bytes are there.
template <class T>
inline T load_be(const uint8_t* p) {
  static_assert(std::is_unsigned_v<T>);
  T v;
  std::memcpy(&v, p, sizeof v);
  return byteswap_if_little(v);
}

template <class T>
inline void store_be(uint8_t* p, std::type_identity_t<T> v) {
  static_assert(std::is_unsigned_v<T>);
  v = byteswap_if_little(v);
  std::memcpy(p, &v, sizeof v);
}

inline uint32_t load_be24(const uint8_t* p) { return (uint32_t{p[0]} << 16) | (uint32_t{p[1]} << 8) | p[2]; }
inline void store_be24(uint8_t* p, uint32_t v) {
  p[0] = static_cast<uint8_t>(v >> 16);
  p[1] = static_cast<uint8_t>(v >> 8);
  p[2] = static_cast<uint8_t>(v);
}

inline Bytes as_bytes(std::string_view s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }
inline std::string_view as_text(Bytes b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

/// Reads forward through a span. After the first read past the end `ok()` is false for good and every further
/// read yields zeros or an empty span, so a parser may check once at the end of a fixed part.
class Reader {
 public:
  explicit Reader(Bytes b) : b_(b) {}

  bool ok() const { return ok_; }
  size_t left() const { return b_.size() - at_; }
  size_t position() const { return at_; }

  template <class T>
  T be() {
    if (!need(sizeof(T))) return 0;
    const T v = load_be<T>(b_.data() + at_);
    at_ += sizeof(T);
    return v;
  }
  uint8_t u8() { return be<uint8_t>(); }
  uint16_t u16() { return be<uint16_t>(); }
  uint32_t u24() {
    if (!need(3)) return 0;
    at_ += 3;
    return load_be24(b_.data() + at_ - 3);
  }
  uint32_t u32() { return be<uint32_t>(); }
  uint64_t u64() { return be<uint64_t>(); }
  Bytes take(size_t n) {
    if (!need(n)) return {};
    at_ += n;
    return b_.subspan(at_ - n, n);
  }
  bool skip(size_t n) {
    if (!need(n)) return false;
    at_ += n;
    return true;
  }
  Bytes rest() { return take(left()); }

 private:
  bool need(size_t n) {
    if (!ok_ || left() < n) ok_ = false;
    return ok_;
  }

  Bytes b_;
  size_t at_ = 0;
  bool ok_ = true;
};

/// Writes forward into caller memory. What does not fit sets `ok()` false for good and writes nothing more.
class Writer {
 public:
  explicit Writer(MutBytes b) : b_(b) {}

  bool ok() const { return ok_; }
  size_t size() const { return at_; }
  size_t room() const { return b_.size() - at_; }
  uint8_t* data() { return b_.data(); }
  Bytes written() const { return Bytes(b_.data(), at_); }

  template <class T>
  void be(std::type_identity_t<T> v) {
    if (!need(sizeof(T))) return;
    store_be<T>(b_.data() + at_, v);
    at_ += sizeof(T);
  }
  void u8(uint8_t v) { be<uint8_t>(v); }
  void u16(uint16_t v) { be<uint16_t>(v); }
  void u24(uint32_t v) {
    if (!need(3)) return;
    store_be24(b_.data() + at_, v);
    at_ += 3;
  }
  void u32(uint32_t v) { be<uint32_t>(v); }
  void u64(uint64_t v) { be<uint64_t>(v); }
  void bytes(Bytes s) {
    if (!need(s.size())) return;
    if (!s.empty()) std::memcpy(b_.data() + at_, s.data(), s.size());
    at_ += s.size();
  }
  void zeros(size_t n) {
    if (!need(n)) return;
    std::memset(b_.data() + at_, 0, n);
    at_ += n;
  }
  /// n bytes to be filled in by the caller; empty if they do not fit.
  MutBytes reserve(size_t n) {
    if (!need(n)) return {};
    at_ += n;
    return b_.subspan(at_ - n, n);
  }

 private:
  bool need(size_t n) {
    if (!ok_ || room() < n) ok_ = false;
    return ok_;
  }

  MutBytes b_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace sluice
