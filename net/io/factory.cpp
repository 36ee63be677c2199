#include "net/io/factory.h"

#include <fmt/format.h>

#include "net/io/mmsg/mmsg.h"
#include "net/io/uring/uring.h"

namespace sluice::io {

std::optional<Kind> parse_kind(std::string_view s) {
  for (const Kind k : {Kind::automatic, Kind::uring, Kind::mmsg})
    if (s == name_of(k)) return k;
  return std::nullopt;
}

std::string_view name_of(Kind k) {
  switch (k) {
    case Kind::uring:
      return "uring";
    case Kind::mmsg:
      return "mmsg";
    case Kind::automatic:
      break;
  }
  return "auto";
}

Resolved resolve(Kind wanted) {
  if (wanted != Kind::automatic) return {wanted, fmt::format("io: {}, as asked for", name_of(wanted))};
  if (kPreferred == Kind::uring)
    if (const auto available = uring_available(); !available)
      return {Kind::mmsg, fmt::format("io: mmsg, because {}", available.error().message)};
  return {kPreferred, fmt::format("io: {}", name_of(kPreferred))};
}

std::expected<std::unique_ptr<Backend>, IoError> make_backend(Kind kind, std::span<const ShardSocket> sockets,
                                                              PacketPool& pool,
                                                              const BackendOptions& options) {
  if (pool.capacity() < kMinPoolSlots)
    return std::unexpected(IoError{
        fmt::format("a packet pool of {} slots is too small: {} at least", pool.capacity(), kMinPoolSlots),
        ""});
  if (kind == Kind::automatic && options.xdp) kind = Kind::mmsg;
  if (resolve(kind).kind == Kind::uring) return UringBackend::make(sockets, pool, options);
  return MmsgBackend::make(sockets, pool, options);
}

}  // namespace sluice::io
