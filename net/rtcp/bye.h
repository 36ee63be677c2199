// BYE, RFC 3550 §6.6. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "net/rtcp/compound.h"

namespace sluice::rtcp {

struct Bye {
  Bytes sources;            ///< 4 bytes each, 0..31 of them
  std::string_view reason;  ///< may be empty; not checked to be UTF-8

  size_t source_count() const { return sources.size() / 4; }
  Ssrc source(size_t i) const { return {load_be<uint32_t>(sources.data() + 4 * i)}; }
};

std::optional<Bye> parse_bye(const View& packet);

/// 1..31 sources, a reason of 0..255 bytes. Bytes written, or 0 if something does not fit.
size_t write_bye(MutBytes dst, std::span<const Ssrc> sources, std::string_view reason = {});

}  // namespace sluice::rtcp
