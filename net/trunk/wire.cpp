#include "net/trunk/wire.h"

namespace sluice::trunk {
namespace {

constexpr uint16_t kDrainingFlag = 1;
constexpr uint16_t kDirectFlag = 2;

}  // namespace

void write_header(uint8_t* out, const Header& h) {
  out[0] = static_cast<uint8_t>(h.type);
  out[1] = static_cast<uint8_t>((kVersion << 4) | (h.key_id & 15));
  out[2] = h.shard;
  out[3] = 0;
  store_be<uint32_t>(out + 4, h.sender);
  store_be<uint64_t>(out + 8, h.epoch);
  store_be<uint64_t>(out + 16, h.sequence);
}

std::expected<Header, Drop> parse_header(Bytes b) {
  if (b.size() < kHeaderBytes + kTagBytes || !is_trunk(b) || b[1] >> 4 != kVersion ||
      b[2] >= kMaxPeerShards || b[3] != 0)
    return std::unexpected(Drop::trunk_malformed);
  return Header{.type = static_cast<Type>(b[0]),
                .key_id = static_cast<uint8_t>(b[1] & 15),
                .shard = b[2],
                .sender = load_be<uint32_t>(&b[4]),
                .epoch = load_be<uint64_t>(&b[8]),
                .sequence = load_be<uint64_t>(&b[16])};
}

// flags 16 | shards 8 | zero 8 | longest datagram 16 | zero 16 | server's epoch 64 | echo 64 | received 64 |
// lost 64
void write_status(uint8_t* out, const Status& s) {
  store_be<uint16_t>(out,
                     static_cast<uint16_t>((s.draining ? kDrainingFlag : 0) | (s.direct ? kDirectFlag : 0)));
  out[2] = s.shards;
  out[3] = 0;
  store_be<uint16_t>(out + 4, s.max_datagram);
  store_be<uint16_t>(out + 6, 0);
  store_be<uint64_t>(out + 8, s.server_epoch);
  store_be<uint64_t>(out + 16, s.echo);
  store_be<uint64_t>(out + 24, s.received);
  store_be<uint64_t>(out + 32, s.lost);
}

std::expected<Status, Drop> parse_status(Bytes b) {
  if (b.size() != kStatusBytes) return std::unexpected(Drop::trunk_malformed);
  const auto flags = load_be<uint16_t>(b.data());
  const Status s{.draining = (flags & kDrainingFlag) != 0,
                 .direct = (flags & kDirectFlag) != 0,
                 .shards = b[2],
                 .max_datagram = load_be<uint16_t>(&b[4]),
                 .server_epoch = load_be<uint64_t>(&b[8]),
                 .echo = load_be<uint64_t>(&b[16]),
                 .received = load_be<uint64_t>(&b[24]),
                 .lost = load_be<uint64_t>(&b[32])};
  if (s.shards == 0 || s.shards > kMaxPeerShards || s.max_datagram < kMinMaxDatagram)
    return std::unexpected(Drop::trunk_malformed);
  return s;
}

}  // namespace sluice::trunk
