// Ethernet, IPv4, IPv6 and UDP headers, written and read without a kernel. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/endpoint.h"

namespace sluice::wire {

inline constexpr size_t kEthernetHeader = 14;
inline constexpr size_t kIpv4Header = 20;  ///< as written here, without options
inline constexpr size_t kIpv6Header = 40;  ///< without extension headers
inline constexpr size_t kUdpHeader = 8;
inline constexpr size_t kIpUdpMax = kIpv6Header + kUdpHeader;
/// Room in front of a payload for all of them: within kHeadroom.
inline constexpr size_t kFrameHeaderMax = kEthernetHeader + kIpUdpMax;

inline constexpr uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr uint16_t kEtherTypeIpv6 = 0x86dd;
inline constexpr uint8_t kProtocolUdp = 17;

using MacAddress = std::array<uint8_t, 6>;

/// Bytes of the IP and UDP headers together.
constexpr size_t ip_udp_header(bool ipv4) { return (ipv4 ? kIpv4Header : kIpv6Header) + kUdpHeader; }

struct IpFields {
  uint8_t traffic_class = 0;  ///< DSCP and ECN: IPv4's TOS
  uint8_t hop_limit = 64;
  /// IPv4 only; without it `identification` must differ among the datagrams of a path (RFC 6864 §4).
  bool dont_fragment = true;
  uint16_t identification = 0;
};

/// Writes the Ethernet header at `at`: kEthernetHeader bytes.
void write_ethernet(uint8_t* at, const MacAddress& to, const MacAddress& from, bool ipv4);

/// Writes the IP and UDP headers of `payload`, with both checksums, at `at`: ip_udp_header() bytes, which it
/// returns. `payload` may, but need not, follow there; it is at most kMaxDatagram long. Both endpoints are of
/// one family.
size_t write_ip_udp(uint8_t* at, const Endpoint& from, const Endpoint& to, Bytes payload,
                    const IpFields& fields = {});

/// The same for a device, or a kernel that segments, to complete: UDP's checksum field holds the sum of the
/// pseudo-header, not complemented (virtio 1.2 §5.1.6.2, VIRTIO_NET_HDR_F_NEEDS_CSUM). `payload_bytes` may be
/// that of a run of datagrams, up to what an IP packet holds.
size_t write_ip_udp_unsummed(uint8_t* at, const Endpoint& from, const Endpoint& to, size_t payload_bytes,
                             const IpFields& fields = {});

/// A UDP datagram inside an IP packet.
struct UdpDatagram {
  Endpoint from = {};
  Endpoint to = {};
  Bytes payload = {};  ///< points into the packet
  uint8_t traffic_class = 0;
  uint8_t hop_limit = 0;
};

/// What to do with a datagram whose UDP checksum is still left to a device: see write_ip_udp_unsummed().
enum class Unsummed : uint8_t {
  refused,
  accepted,  ///< what a virtual interface receives of its own host has seen no wire
};

/// Reads an IPv4 or IPv6 packet that starts at b[0]; bytes behind its end (Ethernet padding) are passed over.
/// IPv4 options are; IPv6 extension headers are not, nor is a fragment. Empty unless lengths agree and both
/// checksums are right; the UDP checksum may be absent with IPv4 (RFC 768), not with IPv6 (RFC 8200 §8.1).
std::optional<UdpDatagram> read_ip_udp(Bytes b, Unsummed unsummed = Unsummed::refused);

}  // namespace sluice::wire
