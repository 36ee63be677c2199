#include "net/io/port_space.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

namespace sluice::io {
namespace {

bool is_multicast(const Address& a) { return a.is_v4() ? (a.b[12] & 0xf0) == 0xe0 : a.b[0] == 0xff; }

}  // namespace

std::expected<PortSpace, IoError> PortSpace::of(const RelayGrant& grant) {
  const auto [lo, hi] = grant.ports;
  if (lo == 0 || hi < lo)
    return std::unexpected(
        IoError{fmt::format("relay ports {}-{} are no range", lo, hi), "name the lowest, then the highest"});
  if (grant.addresses.empty() || grant.addresses.size() > kMaxRelayAddresses)
    return std::unexpected(IoError{
        fmt::format("{} relay addresses; 1 to {} are possible", grant.addresses.size(), kMaxRelayAddresses),
        ""});
  PortSpace out;
  out.ports_ = grant.ports;
  out.first_ = static_cast<uint16_t>(lo - lo % kPortBlock);
  out.blocks_ = (uint32_t{hi} - out.first_) / kPortBlock + 1;
  for (const Address& a : grant.addresses) {
    EndpointText t;
    const std::string name(format(a, t));
    if (a.is_unspecified() || is_multicast(a))
      return std::unexpected(IoError{fmt::format("{} cannot be a relay address", name),
                                     "name an address that one of this host's interfaces has"});
    if (std::ranges::find(out.addresses(), a) != out.addresses().end())
      return std::unexpected(IoError{fmt::format("relay address {} is listed twice", name), "list it once"});
    out.address_[out.addresses_++] = a;
  }
  return out;
}

}  // namespace sluice::io
