#include "tests/capi/caller.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <stdexcept>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/crypto/hmac.h"
#include "net/dtls/fingerprint.h"
#include "net/stun/builder.h"
#include "net/stun/message.h"
#include "net/wire/classify.h"

namespace sluice::load {
namespace {

constexpr Micros kCheckEvery = millis(100);     // until the first success
constexpr Micros kConsentEvery = millis(2500);  // RFC 7675 §5.1: 5 s, halved at random at most
constexpr size_t kHeader = 12;
constexpr size_t kPayload = 100;
constexpr uint32_t kTicks = 960;

Bytes as_bytes(std::string_view s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }

void store32(uint8_t* p, uint32_t v) {
  for (int i = 0; i < 4; ++i) p[i] = static_cast<uint8_t>(v >> (24 - 8 * i));
}

uint32_t load32(const uint8_t* p) {
  return (uint32_t{p[0]} << 24) | (uint32_t{p[1]} << 16) | (uint32_t{p[2]} << 8) | p[3];
}

uint8_t filler(uint32_t number, uint32_t count, size_t i) {
  return static_cast<uint8_t>(number * 31 + count * 7 + i);
}

}  // namespace

Caller::Caller(uint32_t number, srtp::Cipher& cipher)
    : number_(number),
      cipher_(cipher),
      ufrag_(fmt::format("load{:06}", number)),
      pwd_(fmt::format("{:032}", number)) {
  fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw std::runtime_error("no socket");
}

Caller::~Caller() {
  rx_.close(cipher_);
  tx_.close(cipher_);
  close(fd_);
}

std::string Caller::offer() const {
  const dtls::Fingerprint hash = dtls_.fingerprint();
  const std::string fingerprint = fmt::format("{} {}", dtls::name_of(hash.alg), dtls::to_text(hash));
  return offer_of(ufrag_, pwd_, fingerprint);
}

void Caller::accept(Answer answer) {
  answer_ = std::move(answer);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(answer_.server.port);
  to.sin_addr.s_addr = htonl(answer_.server.addr.v4_host_order());
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    throw std::runtime_error("cannot reach the server's candidate");
}

void Caller::put(Bytes datagram) const {
  if (send(fd_, datagram.data(), datagram.size(), 0) != static_cast<ssize_t>(datagram.size()))
    throw std::runtime_error(fmt::format("caller {}: send: {}", number_, std::strerror(errno)));
}

/// RFC 8445 §7.2.4, from a controlling agent that nominates its only pair.
void Caller::check(Micros now) {
  stun::TransactionId id{};
  store32(id.data(), number_);
  store32(id.data() + 4, static_cast<uint32_t>(now.us));
  std::array<uint8_t, 256> space;
  stun::Builder b(space, stun::Class::request, stun::Method::binding, id);
  b.username(answer_.ufrag, ufrag_);
  b.u64(stun::Attr::ice_controlling, number_ + 1);
  b.u32(stun::Attr::priority, 0x6E0001FF);
  b.flag(stun::Attr::use_candidate);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes(answer_.pwd));
  b.fingerprint();
  put(b.message());
}

void Caller::tick(Micros now) {
  if (now >= next_check_) {
    check(now);
    next_check_ = now + (answered_ ? kConsentEvery : kCheckEvery);
  }
  if (!answered_ || keyed_) return;
  if (const auto left = dtls_.time_left(); left && left->us <= 0) {
    dtls_.timeout();
    flush_dtls();
  }
}

void Caller::flush_dtls() {
  for (const test::Datagram& d : dtls_.take()) put(d);
  if (dtls_.connected() && !keyed_) install_keys();
}

void Caller::install_keys() {
  const dtls::SrtpKeys keys = dtls_.keys();
  srtp::MasterKey mine, theirs;
  mine.profile = theirs.profile = srtp::profile_from_id(keys.profile).value();
  std::ranges::copy(keys.client_key(), mine.key.begin());
  std::ranges::copy(keys.client_salt(), mine.salt.begin());
  std::ranges::copy(keys.server_key(), theirs.key.begin());
  std::ranges::copy(keys.server_salt(), theirs.salt.begin());
  const size_t bytes = cipher_.context_bytes(mine.profile);
  keyed_ = tx_.open(cipher_, std::span(tx_context_->bytes).first(bytes), mine) &&
           rx_.open(cipher_, std::span(rx_context_->bytes).first(bytes), theirs);
  if (!keyed_) throw std::runtime_error("SRTP context");
}

void Caller::readable() {
  std::array<uint8_t, 2048> space;
  for (ssize_t n; (n = recv(fd_, space.data(), space.size(), 0)) > 0;)
    take(MutBytes(space.data(), static_cast<size_t>(n)));
}

void Caller::take(MutBytes datagram) {
  if (datagram[0] < 4) {
    const auto message = stun::View::parse(datagram);
    if (!message || !message->is_binding(stun::Class::success)) return;
    if (!message->integrity_ok(crypto::kPrimitives, as_bytes(answer_.pwd))) return;
    if (!answered_) {
      answered_ = true;
      dtls_.start();
      flush_dtls();
    }
  } else if (datagram[0] >= 20 && datagram[0] < 64) {
    dtls_.input(datagram);
    flush_dtls();
  } else if (keyed_) {
    take_media(datagram);
  }
}

void Caller::take_media(MutBytes datagram) {
  srtp::RxJob job{.in = &rx_,
                  .data = datagram.data(),
                  .len = static_cast<uint16_t>(datagram.size()),
                  .rtcp = datagram[1] >= 192 && datagram[1] <= 223};
  srtp::unprotect(cipher_, std::span(&job, 1));
  if (job.rtcp) return;
  // A header extension of the server's may stand before the payload; the payload is the packet's end.
  if (job.result != Drop::none || job.out_len < kHeader + kPayload) {
    ++damaged_;
    return;
  }
  const uint8_t* payload = datagram.data() + job.out_len - kPayload;
  const uint32_t count = load32(payload + 4);
  bool whole = load32(payload) == number_ && count < sent_;
  for (size_t i = 8; i < kPayload; ++i) whole = whole && payload[i] == filler(number_, count, i);
  if (!whole) {
    ++damaged_;
  } else if (seen_[count]) {
    ++twice_;
  } else {
    seen_[count] = true;
    out_of_order_ += returned_ > 0 && count < newest_;
    newest_ = std::max(newest_, count);
    ++returned_;
  }
}

void Caller::send_packet() {
  std::array<uint8_t, kHeader + kPayload + srtp::kMaxOverhead> p{};
  const uint32_t count = sent_++;
  seen_.push_back(false);
  p[0] = 0x80;
  p[1] = static_cast<uint8_t>(111 | (count == 0 ? 0x80 : 0));
  p[2] = static_cast<uint8_t>(count >> 8);
  p[3] = static_cast<uint8_t>(count);
  store32(&p[4], count * kTicks);
  store32(&p[8], 0x10000000 + number_);
  store32(&p[kHeader], number_);
  store32(&p[kHeader + 4], count);
  for (size_t i = 8; i < kPayload; ++i) p[kHeader + i] = filler(number_, count, i);
  srtp::TxJob job{
      .out = &tx_, .dst = p.data(), .header_len = kHeader, .payload = &p[kHeader], .payload_len = kPayload};
  srtp::protect(cipher_, std::span(&job, 1));
  if (job.result != Drop::none) throw std::runtime_error("SRTP protect");
  put(Bytes(p).first(job.out_len));
}

}  // namespace sluice::load
