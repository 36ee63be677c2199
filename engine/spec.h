// What the control side tells a shard about a session when the offer has been answered: plain data, no
// pointers.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "net/base/units.h"
#include "net/crypto/secret.h"
#include "net/rtp/extensions.h"

namespace sluice::engine {

inline constexpr unsigned kMaxShards = 64;

enum class Role : uint8_t { publish, play, agent };
enum class MediaKind : uint8_t { audio, video };
inline constexpr size_t kMediaKinds = 2;
inline constexpr std::array kBothKinds{MediaKind::audio, MediaKind::video};

/// A session's name inside the process: slab index and generation, as the ufrag carries them.
struct SessionKey {
  uint32_t index = 0;
  uint32_t gen = 0;  ///< 0: none

  constexpr bool operator==(const SessionKey&) const = default;
  constexpr explicit operator bool() const { return gen != 0; }
  constexpr uint64_t packed() const { return (uint64_t{gen} << 32) | index; }
  static constexpr SessionKey unpack(uint64_t v) {
    return {static_cast<uint32_t>(v), static_cast<uint32_t>(v >> 32)};
  }
};

/// Text of at most N bytes inside a trivially copyable struct.
template <size_t N>
struct FixedText {
  uint16_t len = 0;
  std::array<char, N> data{};

  std::string_view view() const { return {data.data(), len}; }
  /// False, and empty, if it does not fit.
  bool assign(std::string_view s) {
    len = 0;
    if (s.size() > N) return false;
    std::memcpy(data.data(), s.data(), s.size());
    len = static_cast<uint16_t>(s.size());
    return true;
  }
};

/// Which RTP payload type stands for a codec in this session. `codec` is a sdp::CodecKey.
struct PayloadMap {
  uint8_t pt = 0;
  uint8_t codec = 0;
};

/// One m-line that was accepted.
struct TrackSpec {
  static constexpr size_t kMaxPayloads = 12;

  bool used = false;
  bool receive = false;  ///< the client sends
  bool send = false;     ///< Sluice sends
  bool nack = false;
  bool pli = false;
  bool transport_cc = false;
  uint8_t payloads_n = 0;
  std::array<PayloadMap, kMaxPayloads> payloads{};
  uint32_t clock_rate = 0;
  Ssrc tx_ssrc;
  FixedText<16> mid;
  rtp::ExtMap ext;

  /// 0 if the payload type is not ours.
  uint8_t codec_of(uint8_t pt) const {
    for (size_t i = 0; i < payloads_n; ++i)
      if (payloads[i].pt == pt) return payloads[i].codec;
    return 0;
  }
  /// 0xff if this session did not negotiate the codec.
  uint8_t pt_of(uint8_t codec) const {
    for (size_t i = 0; i < payloads_n; ++i)
      if (payloads[i].codec == codec) return payloads[i].pt;
    return 0xff;
  }
};

/// RFC 8122 fingerprint of the client's certificate.
struct FingerprintSpec {
  uint8_t algorithm = 0;  ///< dtls::HashAlgorithm
  uint8_t len = 0;
  std::array<uint8_t, 64> bytes{};
};

struct SessionSpec {
  SessionKey key;
  Role role = Role::publish;
  uint8_t ice_generation = 0;
  uint32_t room = UINT32_MAX;
  uint32_t room_gen = 0;
  Micros offered_at;
  Micros echo_delay;
  FixedText<24> local_ufrag;
  FixedText<256> remote_ufrag;  ///< RFC 8839 §5.4: at most 256
  FixedText<256> remote_pwd;
  FingerprintSpec fingerprint;
  FixedText<24> cname;
  std::array<TrackSpec, kMediaKinds> track;  ///< index: MediaKind
};

/// Overwrites what is secret of it.
inline void cleanse(SessionSpec& s) {
  crypto::cleanse({reinterpret_cast<uint8_t*>(s.remote_pwd.data.data()), s.remote_pwd.data.size()});
  s.remote_pwd.len = 0;
}

}  // namespace sluice::engine
