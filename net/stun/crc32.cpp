#include <array>

#include "net/stun/message.h"

namespace sluice::stun {
namespace {

// Eight bytes per step: table k advances a byte by 8k further bits. 8 KiB; a check is about 100 bytes.
constexpr size_t kSlices = 8;
using Tables = std::array<std::array<uint32_t, 256>, kSlices>;

constexpr Tables kTables = [] {
  constexpr uint32_t kReversedPolynomial = 0xEDB88320;
  Tables t{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? kReversedPolynomial : 0U);
    t[0][byte] = crc;
  }
  for (size_t k = 1; k < kSlices; ++k)
    for (size_t byte = 0; byte < 256; ++byte)
      t[k][byte] = (t[k - 1][byte] >> 8) ^ t[0][t[k - 1][byte] & 0xffU];
  return t;
}();

uint32_t load_le32(const uint8_t* p) { return __builtin_bswap32(load_be<uint32_t>(p)); }

}  // namespace

uint32_t crc32(Bytes b) {
  uint32_t crc = ~0U;
  while (b.size() >= kSlices) {
    const uint32_t lo = crc ^ load_le32(b.data()), hi = load_le32(b.data() + 4);
    crc = kTables[7][lo & 0xff] ^ kTables[6][(lo >> 8) & 0xff] ^ kTables[5][(lo >> 16) & 0xff] ^
          kTables[4][lo >> 24] ^ kTables[3][hi & 0xff] ^ kTables[2][(hi >> 8) & 0xff] ^
          kTables[1][(hi >> 16) & 0xff] ^ kTables[0][hi >> 24];
    b = b.subspan(kSlices);
  }
  for (uint8_t x : b) crc = (crc >> 8) ^ kTables[0][(crc ^ x) & 0xffU];
  return ~crc;
}

}  // namespace sluice::stun
