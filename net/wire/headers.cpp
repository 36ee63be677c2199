#include "net/wire/headers.h"

#include <cassert>
#include <cstring>

#include "net/wire/checksum.h"

namespace sluice::wire {
namespace {

/// RFC 768 and RFC 8200 §8.1: addresses, protocol and length count too. Address bytes are the last ones, so
/// that IPv4 counts its four only.
uint64_t pseudo_header(const Address& from, const Address& to, size_t udp_bytes) {
  const size_t skip = from.is_v4() ? 12 : 0;
  uint64_t sum = add_to_sum(0, Bytes(from.b).subspan(skip));
  sum = add_to_sum(sum, Bytes(to.b).subspan(skip));
  std::array<uint8_t, 4> tail{0, kProtocolUdp, 0, 0};
  store_be<uint16_t>(&tail[2], static_cast<uint16_t>(udp_bytes));
  return add_to_sum(sum, tail);
}

void write_ipv4(uint8_t* at, const Address& from, const Address& to, size_t total, const IpFields& f) {
  constexpr uint16_t kDontFragment = 0x4000;
  at[0] = 0x45;
  at[1] = f.traffic_class;
  store_be<uint16_t>(at + 2, static_cast<uint16_t>(total));
  store_be<uint16_t>(at + 4, f.identification);
  store_be<uint16_t>(at + 6, f.dont_fragment ? kDontFragment : 0);
  at[8] = f.hop_limit;
  at[9] = kProtocolUdp;
  std::memset(at + 10, 0, 2);
  std::memcpy(at + 12, from.b.data() + 12, 4);
  std::memcpy(at + 16, to.b.data() + 12, 4);
  const uint16_t sum = checksum({at, kIpv4Header});
  std::memcpy(at + 10, &sum, sizeof sum);
}

/// The flow label stays 0, as RFC 6437 §3 permits.
void write_ipv6(uint8_t* at, const Address& from, const Address& to, size_t udp_bytes, const IpFields& f) {
  store_be<uint32_t>(at, 0x6000'0000u | uint32_t{f.traffic_class} << 20);
  store_be<uint16_t>(at + 4, static_cast<uint16_t>(udp_bytes));
  at[6] = kProtocolUdp;
  at[7] = f.hop_limit;
  std::memcpy(at + 8, from.b.data(), 16);
  std::memcpy(at + 24, to.b.data(), 16);
}

/// The IP header's share of a datagram; `payload` is everything behind that header.
std::optional<UdpDatagram> read_ipv4(Bytes b) {
  if (b.size() < kIpv4Header) return std::nullopt;
  const size_t header = (b[0] & 0x0fu) * size_t{4};
  const size_t total = load_be<uint16_t>(&b[2]);
  constexpr uint16_t kFragment = 0x3fff;  // more fragments, or an offset
  if (header < kIpv4Header || total < header || total > b.size() || b[9] != kProtocolUdp ||
      (load_be<uint16_t>(&b[6]) & kFragment) || checksum(b.first(header)) != 0)
    return std::nullopt;
  UdpDatagram d{.payload = b.first(total).subspan(header), .traffic_class = b[1], .hop_limit = b[8]};
  d.from.addr = Address::v4(load_be<uint32_t>(&b[12]));
  d.to.addr = Address::v4(load_be<uint32_t>(&b[16]));
  return d;
}

std::optional<UdpDatagram> read_ipv6(Bytes b) {
  if (b.size() < kIpv6Header) return std::nullopt;
  const size_t length = load_be<uint16_t>(&b[4]);
  if (length > b.size() - kIpv6Header || b[6] != kProtocolUdp) return std::nullopt;
  UdpDatagram d{.payload = b.subspan(kIpv6Header, length),
                .traffic_class = static_cast<uint8_t>(load_be<uint32_t>(b.data()) >> 20),
                .hop_limit = b[7]};
  std::memcpy(d.from.addr.b.data(), &b[8], 16);
  std::memcpy(d.to.addr.b.data(), &b[24], 16);
  // RFC 4291 §2.5.5.2: a mapped address is IPv4's and never on the wire.
  if (d.from.is_v4() || d.to.is_v4()) return std::nullopt;
  return d;
}

/// `d` has the addresses, `udp` header and payload.
bool is_summed(const UdpDatagram& d, Bytes udp, uint64_t pseudo) {
  const bool absent = load_be<uint16_t>(&udp[6]) == 0;
  if (absent) return d.from.is_v4();
  return finish_sum(add_to_sum(pseudo, udp)) == 0;
}

bool is_left_to_device(Bytes udp, uint64_t pseudo) {
  const auto sum = static_cast<uint16_t>(~finish_sum(pseudo));
  return std::memcmp(&udp[6], &sum, sizeof sum) == 0;
}

}  // namespace

void write_ethernet(uint8_t* at, const MacAddress& to, const MacAddress& from, bool ipv4) {
  std::memcpy(at, to.data(), to.size());
  std::memcpy(at + 6, from.data(), from.size());
  store_be<uint16_t>(at + 12, ipv4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
}

size_t write_ip_udp_unsummed(uint8_t* at, const Endpoint& from, const Endpoint& to, size_t payload_bytes,
                             const IpFields& fields) {
  const bool ipv4 = to.is_v4();
  const size_t headers = ip_udp_header(ipv4);
  const size_t udp_bytes = kUdpHeader + payload_bytes;
  assert(from.is_v4() == ipv4 && udp_bytes + kIpv6Header <= UINT16_MAX);
  if (ipv4)
    write_ipv4(at, from.addr, to.addr, headers + payload_bytes, fields);
  else
    write_ipv6(at, from.addr, to.addr, udp_bytes, fields);
  uint8_t* udp = at + headers - kUdpHeader;
  store_be<uint16_t>(udp, from.port);
  store_be<uint16_t>(udp + 2, to.port);
  store_be<uint16_t>(udp + 4, static_cast<uint16_t>(udp_bytes));
  const auto sum = static_cast<uint16_t>(~finish_sum(pseudo_header(from.addr, to.addr, udp_bytes)));
  std::memcpy(udp + 6, &sum, sizeof sum);
  return headers;
}

size_t write_ip_udp(uint8_t* at, const Endpoint& from, const Endpoint& to, Bytes payload,
                    const IpFields& fields) {
  const size_t headers = write_ip_udp_unsummed(at, from, to, payload.size(), fields);
  uint8_t* udp = at + headers - kUdpHeader;
  uint16_t check = finish_sum(add_to_sum(add_to_sum(0, {udp, kUdpHeader}), payload));
  if (check == 0) check = UINT16_MAX;  // RFC 768: 0 says that there is none
  std::memcpy(udp + 6, &check, sizeof check);
  return headers;
}

std::optional<UdpDatagram> read_ip_udp(Bytes b, Unsummed unsummed) {
  if (b.empty()) return std::nullopt;
  std::optional<UdpDatagram> d;
  if (b[0] >> 4 == 4) d = read_ipv4(b);
  if (b[0] >> 4 == 6) d = read_ipv6(b);
  if (!d || d->payload.size() < kUdpHeader) return std::nullopt;
  const Bytes udp = d->payload;
  const size_t length = load_be<uint16_t>(&udp[4]);
  if (length < kUdpHeader || length > udp.size()) return std::nullopt;
  const uint64_t pseudo = pseudo_header(d->from.addr, d->to.addr, length);
  if (!is_summed(*d, udp.first(length), pseudo) &&
      (unsummed == Unsummed::refused || !is_left_to_device(udp, pseudo)))
    return std::nullopt;
  d->from.port = load_be<uint16_t>(udp.data());
  d->to.port = load_be<uint16_t>(&udp[2]);
  d->payload = udp.first(length).subspan(kUdpHeader);
  return d;
}

}  // namespace sluice::wire
