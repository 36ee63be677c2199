#include "net/rtcp/bye.h"

namespace sluice::rtcp {

std::optional<Bye> parse_bye(const View& packet) {
  if (packet.type != Type::bye) return {};
  Reader r(packet.body);
  Bye out;
  out.sources = r.take(size_t{packet.count} * 4);
  if (!r.ok()) return {};
  if (r.left() > 0) out.reason = as_text(r.take(r.u8()));
  if (!r.ok()) return {};
  return out;
}

size_t write_bye(MutBytes dst, std::span<const Ssrc> sources, std::string_view reason) {
  if (sources.empty() || sources.size() > 31 || reason.size() > 255) return 0;
  const size_t text = reason.empty() ? 0 : (1 + reason.size() + 3) / 4 * 4;
  Writer w(dst);
  write_packet_header(w, Type::bye, static_cast<uint8_t>(sources.size()), sources.size() * 4 + text);
  for (Ssrc s : sources) w.u32(s.v);
  if (text != 0) {
    w.u8(static_cast<uint8_t>(reason.size()));
    w.bytes(as_bytes(reason));
    w.zeros(text - 1 - reason.size());
  }
  return w.ok() ? w.size() : 0;
}

}  // namespace sluice::rtcp
