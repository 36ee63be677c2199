// DTLS on the shard: datagrams go to the handshake worker and come back; after the keys are here, what is
// left of DTLS is a stored flight and the wish to be left alone.

#include <algorithm>

#include "engine/role/role.h"
#include "engine/shard/lifecycle.h"
#include "net/dtls/record.h"
#include "net/srtp/srtp.h"

namespace sluice::engine {
namespace {

/// Between two replays of the last flight: a client repeats its own flight in several datagrams.
constexpr Micros kReplayInterval = millis(20);
constexpr size_t kMessagesPerLoop = 64;

/// A datagram of ours to the selected path, within what an unproven address may be sent.
void send_plain(Core& c, uint32_t session, Bytes datagram) {
  const SessionHot& h = c.hot[session];
  if (datagram.empty() || datagram.size() > kMaxDatagram) return;
  if (!h.path_settled && !c.agents[session].is_proven(h.path)) {
    if (!c.agents[session].may_send(h.path, datagram.size()) ||
        !c.admission.admit(h.path.remote.addr, static_cast<uint32_t>(datagram.size()), c.now))
      return c.count_unsent(Drop::rate_limited, session);
    c.agents[session].bytes_sent(h.path, datagram.size());
  }
  const SlotIndex slot = c.take_slot();
  if (slot == kNoSlot) return;
  std::copy(datagram.begin(), datagram.end(), c.pool.slot_bytes(slot) + kHeadroom);
  c.transmit_to(h.path, slot, datagram.size(), session);
}

bool push(Core& c) {
  if (!c.ports.to_handshake->try_push(c.handshake_message)) return false;
  ++c.handshakes_pushed;
  return true;
}

void to_worker(Core& c, const Packet& p, uint32_t session, Bytes datagram) {
  SessionCold& cold = c.cold[session];
  const uint64_t id = c.key_of(session).packed();
  if (!cold.dtls_started) {
    dtls::Fingerprint fp;
    fp.alg = static_cast<dtls::HashAlg>(cold.spec.fingerprint.algorithm);
    fp.digest = cold.spec.fingerprint.bytes;
    c.handshake_message.set_start(id, fp);
    if (!push(c)) return c.drop(p, Drop::dtls_no_worker, session);
    cold.dtls_started = true;
    cold.dtls_start_at = c.now;
  }
  if (!c.handshake_message.set_datagram(id, datagram)) return c.drop(p, Drop::oversize, session);
  if (!push(c)) return c.drop(p, Drop::dtls_no_worker, session);
  c.release(p);
}

void after_keys(Core& c, const Packet& p, uint32_t session, Bytes datagram) {
  SessionHot& h = c.hot[session];
  SessionCold& cold = c.cold[session];
  if (dtls::is_alert(datagram)) {
    apply(c, session, c.agents[session].shorten_consent(ice::kConsentAfterAlert, c.random.view(), c.now));
    return c.release(p);
  }
  // RFC 6347 §4.2.4: until the client's first SRTP packet shows that it has the keys, our last flight may be
  // lost.
  if (dtls::looks_like_client_retransmission(datagram) && !h.srtp_seen) {
    if (c.now - cold.last_flight_sent >= kReplayInterval) {
      cold.last_flight_sent = c.now;
      send_plain(c, session, as_bytes(cold.last_flight.view()));
    }
    return c.release(p);
  }
  c.drop(p, Drop::dtls_after_keys, session);
}

void on_dtls(Core& c, const Packet& p, uint32_t session) {
  SessionHot& h = c.hot[session];
  const Bytes datagram = c.pool.payload(p);
  if (!dtls::well_formed(datagram)) return c.drop(p, Drop::dtls_malformed, session);
  ++h.rx_packets;
  h.rx_bytes += p.len;
  const ice::PathAddress from = path_of(p);
  if (!h.path_settled || !from.same_path(h.path)) c.agents[session].bytes_received(from, p.len);
  if (c.cold[session].keys_exported) return after_keys(c, p, session, datagram);
  to_worker(c, p, session, datagram);
}

srtp::MasterKey master_key(srtp::Profile profile, Bytes key, Bytes salt) {
  srtp::MasterKey m;
  m.profile = profile;
  std::copy(key.begin(), key.end(), m.key.begin());
  std::copy(salt.begin(), salt.end(), m.salt.begin());
  return m;
}

bool open_srtp(Core& c, uint32_t s, const dtls::SrtpKeys& keys) {
  const auto profile = srtp::profile_from_id(keys.profile);
  if (!profile) return false;
  // RFC 5764 §4.2: we are the DTLS server, so the client's keys are those we receive with.
  const auto receive = master_key(*profile, keys.client_key(), keys.client_salt());
  const auto send = master_key(*profile, keys.server_key(), keys.server_salt());
  c.cold[s].srtp_profile = keys.profile;
  return c.inbound[s].open(*c.cipher, c.context(s, true), receive) &&
         c.outbound[s].open(*c.cipher, c.context(s, false), send);
}

void on_connected(Core& c, uint32_t session, const slow::FromHandshake& m) {
  SessionCold& cold = c.cold[session];
  cold.keys_exported = true;
  cold.last_flight.assign(as_text(m.last_flight()));
  cold.close_notify.assign(as_text(m.close_notify()));
  cold.last_flight_sent = c.now;
  if (!open_srtp(c, session, m.keys)) return close(c, session, CloseReason::dtls);
  // Its Finished was authentic, and it came from where the flight before it was sent to.
  const ice::PathAddress path = c.hot[session].path;
  const SessionKey key = c.key_of(session);
  authentic(c, session, path, true);
  if (c.owns(key)) connect(c, session);
}

}  // namespace

void dtls_batch(Core& c, std::span<const Routed> in) {
  for (const Routed& r : in) {
    if (r.session == Core::kNoSession || c.hot[r.session].gen == 0)
      c.drop(*r.packet, Drop::unproven_address);
    else
      on_dtls(c, *r.packet, r.session);
  }
}

void take_handshakes(Core& c) {
  slow::take_from_handshake(*c.ports.from_handshake, kMessagesPerLoop, [&](const slow::FromHandshake& m) {
    const SessionKey key = SessionKey::unpack(m.session);
    if (!c.owns(key)) return;
    switch (m.type) {
      case slow::FromHandshake::Type::datagram:
        return send_plain(c, key.index, m.bytes());
      case slow::FromHandshake::Type::connected:
        return on_connected(c, key.index, m);
      case slow::FromHandshake::Type::failed:
      case slow::FromHandshake::Type::closed:
        return close(c, key.index, CloseReason::dtls);
    }
  });
}

}  // namespace sluice::engine
