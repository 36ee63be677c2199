// Every packet that is received and not delivered increments exactly one of these, and no other counter of
// loss; a packet for many counts as delivered once anybody is to have it. What is to be sent and is not
// (copies for players, answers, reports) increments one of these in a second set of counters, so that packets
// received and packets sent each add up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

// name, what it means to a person who reads it in /metrics
#define SLUICE_DROPS(X)                                                                \
  X(none, "not dropped")                                                               \
  X(runt, "shorter than any protocol served here")                                     \
  X(oversize, "longer than a packet slot")                                             \
  X(bad_checksum, "a frame whose IP or UDP length or checksum does not match")         \
  X(unknown_class, "first byte belongs to no protocol of RFC 7983")                    \
  X(miss, "not STUN, and from an address that belongs to no session")                  \
  X(stun_malformed, "not a well-formed STUN message")                                  \
  X(stun_unsupported, "a STUN method or class that is not served")                     \
  X(stun_bad_fingerprint, "STUN FINGERPRINT does not match")                           \
  X(ufrag_forged, "ufrag is not one that Sluice minted")                               \
  X(ufrag_expired, "ufrag was minted too long ago")                                    \
  X(ufrag_gone, "ufrag names a session that has ended or restarted ICE")               \
  X(ufrag_elsewhere, "ufrag names another node")                                       \
  X(stun_bad_integrity, "STUN MESSAGE-INTEGRITY does not match")                       \
  X(stun_replayed, "transaction id was already seen from another address")             \
  X(stun_unexpected_response, "response to no request of ours")                        \
  X(rate_limited, "an unproven address, or its neighbourhood, sent too much")          \
  X(unproven_address, "not STUN, from an address that passed no check")                \
  X(dtls_malformed, "not a well-formed DTLS record")                                   \
  X(dtls_no_worker, "the handshake worker's ring is full")                             \
  X(dtls_failed, "belongs to a handshake that has failed")                             \
  X(dtls_after_keys, "DTLS record that nothing waits for once keys are exported")      \
  X(rtp_malformed, "not a well-formed RTP packet")                                     \
  X(rtcp_malformed, "not a well-formed RTCP packet")                                   \
  X(srtp_no_keys, "SRTP before the DTLS handshake has finished")                       \
  X(srtp_auth, "SRTP or SRTCP authentication failed")                                  \
  X(srtp_replay, "SRTP or SRTCP index was already seen")                               \
  X(srtp_old, "SRTP index is older than the replay window")                            \
  X(srtp_too_many_streams, "more SSRCs than a session may send")                       \
  X(srtp_key_exhausted, "the key has protected as many packets as it may")             \
  X(rtp_unknown_payload, "payload type that was not negotiated")                       \
  X(rtp_not_publishing, "media from a session that may not send any")                  \
  X(no_subscriber, "nobody plays the room")                                            \
  X(not_negotiated, "the subscriber did not negotiate this codec")                     \
  X(not_primary_stream, "an SSRC that is not the track's current one")                 \
  X(session_closed, "the session ended while the packet was on its way")               \
  X(consent_lost, "consent to send has expired (RFC 7675)")                            \
  X(pool_empty, "no free packet slot")                                                 \
  X(ring_full, "the ring to another shard is full")                                    \
  X(tx_full, "the socket's send buffer is full")                                       \
  X(tx_error, "the kernel refused to send")                                            \
  X(tx_no_route, "no local socket for the source endpoint")                            \
  X(draining, "the process is shutting down")                                          \
  X(agent_full, "the agent's delay line is full")                                      \
  X(no_route, "ufrag leads to no server that this relay knows")                        \
  X(server_down, "the server that owns the flow is gone or draining")                  \
  X(flows_full, "the flow table is full")                                              \
  X(no_relay_port, "no local port is left for another flow or allocation")             \
  X(port_closed, "to a relay port that was closed meanwhile")                          \
  X(flow_unconfirmed, "media before the server has answered the client's first check") \
  X(flow_unknown, "from a server, but for no flow of its")                             \
  X(trunk_malformed, "not a well-formed trunk datagram")                               \
  X(trunk_auth, "trunk datagram failed authentication")                                \
  X(trunk_replayed, "trunk datagram was already seen or is too old")                   \
  X(trunk_full, "no room for another trunk peer, or shard of one")                     \
  X(trunk_stale, "trunk datagram for an association that has ended")                   \
  X(turn_malformed, "not a well-formed TURN ChannelData message")                      \
  X(turn_no_allocation, "TURN data on a five-tuple or port without an allocation")     \
  X(turn_no_permission, "no TURN permission or channel for the peer")                  \
  X(turn_peer_denied, "the peer's address is one that the policy denies")              \
  X(turn_over_rate, "the allocation or user exceeded its bandwidth")                   \
  X(stream_full, "a TCP or TLS client reads too slowly")

enum class Drop : uint8_t {
#define SLUICE_DROP_ENUM(name, text) name,
  SLUICE_DROPS(SLUICE_DROP_ENUM)
#undef SLUICE_DROP_ENUM
};

#define SLUICE_DROP_COUNT(name, text) +1
inline constexpr size_t kDropCount = 0 SLUICE_DROPS(SLUICE_DROP_COUNT);
#undef SLUICE_DROP_COUNT

inline constexpr std::array<std::string_view, kDropCount> kDropNames{
#define SLUICE_DROP_NAME(name, text) #name,
    SLUICE_DROPS(SLUICE_DROP_NAME)
#undef SLUICE_DROP_NAME
};
inline constexpr std::array<std::string_view, kDropCount> kDropTexts{
#define SLUICE_DROP_TEXT(name, text) text,
    SLUICE_DROPS(SLUICE_DROP_TEXT)
#undef SLUICE_DROP_TEXT
};

constexpr std::string_view name_of(Drop d) { return kDropNames[static_cast<size_t>(d)]; }

/// Written by one core only.
struct DropCounters {
  std::array<uint64_t, kDropCount> n{};
  void add(Drop d, uint64_t k = 1) { n[static_cast<size_t>(d)] += k; }
  uint64_t operator[](Drop d) const { return n[static_cast<size_t>(d)]; }
};

}  // namespace sluice
