#include "tools/load/whip_protocol.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "net/crypto/hmac.h"
#include "net/wire/classify.h"
#include "tools/client/srtp_keys.h"
#include "tools/load/checks.h"

namespace sluice::load {
namespace {

constexpr Nanos kConsent = 4 * kSecond;
constexpr Nanos kConsentLost = 30 * kSecond;  // RFC 7675 §5.1
constexpr Nanos kDtlsPatience = 20 * kSecond;
constexpr Nanos kAskAgain = kSecond / 5;  // a room whose publisher is not there yet
constexpr unsigned kCreated = 201, kNotFound = 404, kConflict = 409;

HttpOptions http_options(const Bench& bench) {
  const WhipOptions& o = bench.options.whip;
  return {
      .tls = o.tls, .host = o.host, .port = o.port, .token = bench.credentials.token, .insecure = o.insecure};
}

}  // namespace

WhipProtocol::WhipProtocol(const Bench& bench)
    : Protocol(bench),
      calls_(bench.sessions.capacity()),
      http_(std::make_unique<HttpClient>(http_options(bench))) {
  auto cipher = srtp::Cipher::make(srtp::Kind::automatic);
  if (!cipher) throw std::runtime_error("SRTP: " + cipher.error());
  cipher_ = std::move(*cipher);
}

WhipProtocol::~WhipProtocol() {
  for (Call& c : calls_)
    if (c.media) {
      c.media->in.close(*cipher_);
      c.media->out.close(*cipher_);
    }
}

void WhipProtocol::open(uint32_t s, Nanos now) {
  Call& c = calls_[s];
  c.dtls = std::make_unique<client::Client>();
  c.local = {fmt::format("{:08x}", s), fmt::format("{:016x}{:08x}", bench_.run, s)};
  Session& session = bench_.sessions[s];
  session.talks_up = publishes(s);
  session.talks_down = false;
  session.copies = group() == 1 ? 1 : 0;
  post(s, now);
}

void WhipProtocol::post(uint32_t s, Nanos now) {
  const WhipOptions& o = bench_.options.whip;
  Call& c = calls_[s];
  c.posted = now;
  client::OfferSpec spec;
  spec.ice = c.local;
  spec.fingerprint = c.dtls->fingerprint();
  spec.ssrc[client::kAudio] = Ssrc{rtp_ssrc(s, Way::up)};
  std::string path;
  if (!o.agent.empty()) {
    spec.role = client::CallRole::agent;
    path = "/agent/" + o.agent;
  } else {
    spec.role = publishes(s) ? client::CallRole::publish : client::CallRole::play;
    path = fmt::format("/{}/{}{}", publishes(s) ? "whip" : "whep", o.room, s / group());
  }
  http_->post(s, path, client::write_offer(spec));
}

void WhipProtocol::poll(Nanos now) {
  for (HttpAnswer& a : http_->take()) on_http(a, now);
}

void WhipProtocol::on_http(HttpAnswer& a, Nanos now) {
  const uint32_t s = a.session;
  Call& c = calls_[s];
  if (!publishes(s) && (a.status == kNotFound || a.status == kConflict) &&
      now - bench_.sessions[s].begun < kDtlsPatience)
    return bench_.sessions.set_timer(s, now + kAskAgain);
  if (a.status == 0) return bench_.sessions.fail(s, "HTTP: " + a.error);
  if (a.status != kCreated) return bench_.sessions.fail(s, fmt::format("HTTP status {}", a.status));
  c.location = a.location;
  const auto answer = client::read_answer(a.body);
  if (!answer) return bench_.sessions.fail(s, "the SDP answer has no ICE credentials or candidates");
  c.remote = answer->ice;
  const bool v4 = bench_.wire.endpoint(client(s)).is_v4();
  const auto it =
      std::ranges::find_if(answer->candidates, [&](const Endpoint& e) { return e.is_v4() == v4; });
  if (it == answer->candidates.end()) return bench_.sessions.fail(s, "no candidate of our address family");
  bench_.sessions[s].up_to = *it;
  c.step = Step::checking;
  c.check.begin();
  send_check(s, now);
}

void WhipProtocol::send_check(uint32_t s, Nanos now) {
  Call& c = calls_[s];
  TxPacket& p = bench_.control.open(client(s), bench_.sessions[s].up_to);
  p.len = write_check({p.data, kMaxPayload}, c.check.id(bench_.run, s),
                      {c.remote.ufrag, c.local.ufrag, c.remote.pwd}, uint64_t{bench_.run} << 32 | s);
  bench_.control.commit();
  c.check_due = now + c.check.transmit();
  schedule(s, now);
}

/// The timer: the next check, or what DTLS waits for.
void WhipProtocol::schedule(uint32_t s, Nanos now) {
  const Call& c = calls_[s];
  Nanos due = c.check_due;
  if (c.step == Step::handshaking)
    if (const auto left = c.dtls->time_left()) due = std::min(due, now + left->us * 1000);
  bench_.sessions.set_timer(s, due);
}

void WhipProtocol::on_timer(uint32_t s, Nanos now) {
  Call& c = calls_[s];
  if (c.step == Step::signalling) return post(s, now);
  if (c.step == Step::handshaking) {
    if (now - c.answered > kDtlsPatience) return bench_.sessions.fail(s, "the DTLS handshake did not end");
    if (const auto left = c.dtls->time_left(); left && left->us <= 0) c.dtls->timeout();
    pump_dtls(s, now);
    if (bench_.sessions[s].state == State::failed) return;
  }
  if (now < c.check_due) return schedule(s, now);
  if (c.step == Step::checking) {
    if (c.check.exhausted()) return bench_.sessions.fail(s, "no answer to its checks");
    bench_.sessions.retransmitted();
  } else if (now - c.answered >= kConsentLost) {
    return bench_.sessions.fail(s, "consent lost: no answer for 30 s");
  }
  if (!c.check.pending()) c.check.begin();
  send_check(s, now);
}

void WhipProtocol::on_control(RxPacket& p, Nanos now) {
  const uint32_t s = p.local.index();
  Call& c = calls_[s];
  const auto view = stun::View::parse(p.data);
  if (!view || c.step == Step::signalling) return;
  if (view->is_binding(stun::Class::request)) {
    // A server that wants to know whether we are there (a path challenge).
    if (!view->integrity_ok(crypto::kPrimitives, as_bytes(c.local.pwd))) return;
    TxPacket& out = bench_.control.open(p.local, p.remote);
    out.len = write_check_answer({out.data, kMaxPayload}, *view, p.remote, c.local.pwd);
    return bench_.control.commit();
  }
  const auto name = name_of(view->transaction_id(), bench_.run);
  if (!view->is_binding(stun::Class::success) || !name || name->session != s ||
      name->serial != c.check.serial)
    return;
  if (!c.check.pending() || !view->integrity_ok(crypto::kPrimitives, as_bytes(c.remote.pwd))) return;
  c.check.end();
  c.answered = now;
  c.check_due = now + kConsent;
  if (c.step == Step::checking) {
    c.step = Step::handshaking;
    c.dtls->start();
    pump_dtls(s, now);
  }
  if (bench_.sessions[s].state != State::failed) schedule(s, now);
}

void WhipProtocol::pump_dtls(uint32_t s, Nanos now) {
  Call& c = calls_[s];
  for (const client::Datagram& d : c.dtls->take()) {
    TxPacket& p = bench_.control.open(client(s), bench_.sessions[s].up_to);
    p.len = static_cast<uint16_t>(std::min(d.size(), kMaxPayload));
    std::copy_n(d.begin(), p.len, p.data);
    bench_.control.commit();
  }
  if (c.dtls->failed()) return bench_.sessions.fail(s, "the DTLS handshake failed");
  if (c.dtls->got_close_notify()) return bench_.sessions.fail(s, "the server ended the call");
  if (c.step != Step::handshaking || !c.dtls->connected()) return;
  if (!open_srtp(c)) return bench_.sessions.fail(s, "no SRTP profile in common");
  c.step = Step::up;
  bench_.sessions.ready(s, now);
  // What the publisher sends from now on is expected here too.
  if (!publishes(s)) ++bench_.sessions[s - s % group()].copies;
  schedule(s, now);
}

bool WhipProtocol::open_srtp(Call& c) const {
  const auto keys = client::master_keys(c.dtls->keys());
  if (!keys) return false;
  c.media = std::make_unique<Media>();
  const size_t bytes = cipher_->context_bytes(keys->client.profile);
  return c.media->in.open(*cipher_, std::span(c.media->in_context.b).first(bytes), keys->server) &&
         c.media->out.open(*cipher_, std::span(c.media->out_context.b).first(bytes), keys->client);
}

size_t WhipProtocol::seal(std::span<TxPacket> packets) {
  std::array<srtp::TxJob, kBatch> jobs;
  for (size_t i = 0; i < packets.size(); ++i) {
    TxPacket& p = packets[i];
    jobs[i] = {.out = &calls_[p.session].media->out,
               .dst = p.data,
               .header_len = kRtpHeader,
               .payload = p.data + kRtpHeader,
               .payload_len = static_cast<uint16_t>(p.len - kRtpHeader)};
  }
  srtp::protect(*cipher_, std::span(jobs).first(packets.size()));
  for (size_t i = 0; i < packets.size(); ++i) packets[i].len = jobs[i].out_len;
  return packets.size();
}

void WhipProtocol::unwrap(std::span<RxPacket> packets, Nanos now) {
  std::array<srtp::RxJob, kBatch> jobs;
  std::array<RxPacket*, kBatch> of;
  size_t n = 0;
  for (RxPacket& p : packets) {
    Call& c = calls_[p.local.index()];
    switch (wire::classify(p.data)) {
      case wire::PacketClass::stun:
        on_control(p, now);
        break;
      case wire::PacketClass::dtls:
        if (c.step == Step::handshaking || c.step == Step::up) {
          c.dtls->input(p.data);
          pump_dtls(p.local.index(), now);
        }
        break;
      case wire::PacketClass::rtp:
        if (!c.media) break;
        of[n] = &p;
        jobs[n++] = {.in = &c.media->in, .data = p.data.data(), .len = static_cast<uint16_t>(p.data.size())};
        break;
      default:
        break;
    }
  }
  srtp::unprotect(*cipher_, std::span(jobs).first(n));
  for (size_t i = 0; i < n; ++i) {
    const Bytes plain = Bytes(of[i]->data).first(jobs[i].out_len);
    if (jobs[i].result != Drop::none || !is_rtp(plain)) continue;
    of[i]->media = plain;
    const uint32_t s = of[i]->local.index();
    if (!std::exchange(calls_[s].heard, true)) bench_.sessions.heard_first(now - calls_[s].posted);
  }
}

void WhipProtocol::close(uint32_t s) {
  if (!calls_[s].location.empty()) http_->remove(calls_[s].location);
}

}  // namespace sluice::load
