#include "net/sdp/codecs.h"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "net/sdp/text.h"

namespace sluice::sdp {
namespace {

struct Names {
  std::string_view shown, encoding;
};
constexpr std::array<Names, kCodecCount> kNames{{
    {"opus", "opus"},
    {"VP8", "VP8"},
    {"VP9", "VP9"},
    {"H264-CB", "H264"},
    {"H264-B", "H264"},
    {"H264-M", "H264"},
    {"H264-CH", "H264"},
    {"H264-H", "H264"},
    {"AV1", "AV1"},
}};

bool is_set(const OfferedCodec& offered, std::string_view key) { return offered.parameter(key) == "1"; }

/// A numeric parameter; `absent` if it is not there, empty if it is no number or above `max`.
std::optional<uint8_t> small_number(const OfferedCodec& offered, std::string_view key, uint8_t absent,
                                    uint8_t max) {
  const auto value = offered.parameter(key);
  if (!value) return absent;
  const auto n = text::parse_number<uint8_t>(*value);
  return n && *n <= max ? n : std::nullopt;
}

/// RFC 6184 §8.1, table 5: which profile the profile_idc and the constraint flags of profile-iop name
/// together.
std::optional<Codec> h264_profile(uint32_t profile_level_id) {
  const uint32_t idc = profile_level_id >> 16, iop = (profile_level_id >> 8) & 0xff;
  constexpr uint32_t kSet0 = 0x80, kSet1 = 0x40, kSet4 = 0x08, kSet5 = 0x04;
  switch (idc) {
    case 0x42:
      return (iop & kSet1) ? Codec::h264_constrained_baseline : Codec::h264_baseline;
    case 0x4d:
      return (iop & kSet0) ? Codec::h264_constrained_baseline : Codec::h264_main;
    case 0x58:  // Extended, of use only where it is also Baseline
      if (!(iop & kSet0)) return std::nullopt;
      return (iop & kSet1) ? Codec::h264_constrained_baseline : Codec::h264_baseline;
    case 0x64:
      return (iop & (kSet4 | kSet5)) == (kSet4 | kSet5) ? Codec::h264_constrained_high : Codec::h264_high;
    default:
      return std::nullopt;
  }
}

std::optional<NegotiatedCodec> identify_h264(const OfferedCodec& offered, Role role) {
  // RFC 6184 §8.2.2: the modes do not mix, but who reads mode 1 reads what a sender of mode 0 writes.
  const auto mode = small_number(offered, "packetization-mode", 0, 1);
  if (!mode || (*mode == 0 && role != Role::publish)) return std::nullopt;
  NegotiatedCodec out{.profile_level_id = 0x42000a};  // RFC 6184 §8.1: Baseline, level 1, if nothing is said
  if (const auto text = offered.parameter("profile-level-id")) {
    const char* end = text->data() + text->size();
    const auto [at, fault] = std::from_chars(text->data(), end, out.profile_level_id, 16);
    if (text->size() != 6 || at != end || fault != std::errc{}) return std::nullopt;
  }
  const auto codec = h264_profile(out.profile_level_id);
  if (!codec) return std::nullopt;
  out.codec = *codec;
  out.single_nal = *mode == 0;
  return out;
}

std::optional<NegotiatedCodec> identify_av1(const OfferedCodec& offered) {
  // AV1 RTP payload format §7.2.3: absent means profile 0, level 5, tier 0.
  const auto profile = small_number(offered, "profile", 0, 0);
  const auto level = small_number(offered, "level-idx", 5, 31);
  const auto tier = small_number(offered, "tier", 0, 1);
  if (!profile || !level || !tier) return std::nullopt;
  return NegotiatedCodec{.codec = Codec::av1, .level_idx = *level, .tier = *tier};
}

std::optional<NegotiatedCodec> identify_video(const OfferedCodec& offered, Role role) {
  if (offered.clock_rate != 90000) return std::nullopt;
  if (offered.is("VP8")) return NegotiatedCodec{.codec = Codec::vp8};
  if (offered.is("H264")) return identify_h264(offered, role);
  if (offered.is("AV1")) return identify_av1(offered);
  // RFC 9628 §6: profile 0 if nothing is said.
  if (offered.is("VP9") && small_number(offered, "profile-id", 0, 0))
    return NegotiatedCodec{.codec = Codec::vp9};
  return std::nullopt;
}

std::optional<NegotiatedCodec> identify_audio(const OfferedCodec& offered) {
  // RFC 7587 §7: always two channels in a=rtpmap, whatever is sent.
  if (!offered.is("opus") || offered.clock_rate != 48000 || offered.channels != 2) return std::nullopt;
  return NegotiatedCodec{.codec = Codec::opus,
                         .stereo = is_set(offered, "stereo"),
                         .inband_fec = is_set(offered, "useinbandfec"),
                         .dtx = is_set(offered, "usedtx")};
}

}  // namespace

std::string_view name_of(Codec c) { return kNames[static_cast<size_t>(c)].shown; }
std::string_view encoding_name(Codec c) { return kNames[static_cast<size_t>(c)].encoding; }

std::optional<NegotiatedCodec> identify(const OfferedCodec& offered, MediaKind kind, Role role) {
  auto out = kind == MediaKind::audio   ? identify_audio(offered)
             : kind == MediaKind::video ? identify_video(offered, role)
                                        : std::nullopt;
  if (out) {
    out->pt = offered.pt;
    out->clock_rate = offered.clock_rate;
  }
  return out;
}

std::string rtpmap_of(const NegotiatedCodec& c) {
  return fmt::format("{}/{}{}", encoding_name(c.codec), c.clock_rate, is_audio(c.codec) ? "/2" : "");
}

std::string fmtp_of(const NegotiatedCodec& c) {
  switch (c.codec) {
    case Codec::opus:
      return fmt::format("minptime=10;useinbandfec=1{}{}", c.stereo ? ";stereo=1" : "",
                         c.dtx ? ";usedtx=1" : "");
    case Codec::vp8:
      return {};
    case Codec::vp9:
      return "profile-id=0";
    case Codec::av1:
      return fmt::format("level-idx={};profile=0;tier={}", c.level_idx, c.tier);
    default:
      return fmt::format("level-asymmetry-allowed=1;packetization-mode={};profile-level-id={:06x}",
                         c.single_nal ? 0 : 1, c.profile_level_id);
  }
}

}  // namespace sluice::sdp
