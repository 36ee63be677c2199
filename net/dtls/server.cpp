#include "net/dtls/server.h"

#include <algorithm>
#include <cstring>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>

#include "net/dtls/callbacks.h"
#include "net/dtls/context.h"
#include "net/dtls/record.h"

namespace sluice::dtls {
namespace {

constexpr size_t kMaxRecord = kRecordHeader + kMaxFragment;

struct Lengths {
  uint8_t key, salt;
};
/// RFC 5764 §4.1.2, RFC 7714 §12; zeros for profiles that are not offered.
Lengths lengths_of(unsigned long profile) {
  switch (profile) {
    case kAeadAes128Gcm:
      return {16, 12};
    case kAeadAes256Gcm:
      return {32, 12};
    case kAesCm128HmacSha1_80:
      return {16, 14};
    default:
      return {0, 0};
  }
}

Failure failure_from(int reason) {
  switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return Failure::fingerprint_mismatch;
    // Warnings end a handshake like fatal alerts: OpenSSL 3.0 counts one record of DTLS several times.
    case SSL_R_TOO_MANY_WARN_ALERTS:
      return Failure::peer_alert;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return Failure::no_client_certificate;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
      return Failure::no_common_parameters;
    case ERR_R_MALLOC_FAILURE:
    case ERR_R_INTERNAL_ERROR:
      return Failure::internal;
    default:
      // ssl.h: an alert of the peer is its number plus SSL_AD_REASON_OFFSET.
      return reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256 ? Failure::peer_alert
                                                                                   : Failure::protocol_error;
  }
}

/// Empties the thread's error queue. The first entry of libssl tells what happened; later ones say who
/// noticed.
Failure failure_from_queue() {
  Failure f = Failure::none;
  while (const unsigned long code = ERR_get_error())
    if (f == Failure::none && ERR_GET_LIB(code) == ERR_LIB_SSL) f = failure_from(ERR_GET_REASON(code));
  return f == Failure::none ? Failure::protocol_error : f;
}

}  // namespace

bool Output::push(Bytes datagram) {
  if (n_ == kCapacity || datagram.empty() || datagram.size() > kMtu) {
    ++lost_;
    return false;
  }
  std::memcpy(bytes_[n_].data(), datagram.data(), datagram.size());
  len_[n_++] = static_cast<uint16_t>(datagram.size());
  return true;
}

void Server::SslDeleter::operator()(ssl_st* s) const { SSL_free(s); }

Server::Server(const Context& context, const Fingerprint& expected)
    : context_(&context), expected_(expected) {}
Server::~Server() = default;
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;

Micros Server::deadline() const { return std::min(retransmit_at_, give_up_at_); }

Bytes Server::last_flight() const {
  return state_ == State::connected || state_ == State::closed ? Bytes(flight_) : Bytes{};
}

bool Server::open() {
  ssl_.reset(SSL_new(context_->ssl_ctx()));
  BIO* const bio = ssl_ == nullptr ? nullptr : BIO_new(context_->bio_method());
  if (bio == nullptr) return false;
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
  SSL_set_mtu(ssl_.get(), static_cast<long>(kMtu));
  DTLS_set_timer_cb(ssl_.get(), Callbacks::park_timer);
  return true;
}

/// Lends this object's address and `out` to the callbacks for the length of one call.
void Server::enter(Output& out) {
  ERR_clear_error();
  out_ = &out;
  SSL_set_app_data(ssl_.get(), this);
  BIO_set_data(SSL_get_rbio(ssl_.get()), this);
}

void Server::input(Bytes datagram, Micros now, Output& out) {
  if (state_ == State::failed || state_ == State::closed) return;
  if (datagram.size() > kMaxRecord || !RecordReader(datagram).next()) {
    ++ignored_;
    return;
  }
  if (ssl_ == nullptr) {
    // A late alert or a stray Finished is no reason to allocate.
    if (!is_handshake(datagram)) {
      ++ignored_;
      return;
    }
    give_up_at_ = now + kHandshakeLimit;
    if (!open()) return fail(Failure::internal);
  }
  if (state_ == State::connected && looks_like_client_retransmission(datagram)) {
    // As the shard does once this object is gone. OpenSSL would answer with two datagrams.
    out.push(flight_);
    ++retransmissions_;
    return;
  }
  enter(out);
  in_ = datagram;
  new_flight_ = false;
  if (state_ == State::handshaking) shake_hands(now);
  if (state_ == State::connected) read_on();
  in_ = {};
  out_ = nullptr;
}

void Server::shake_hands(Micros now) {
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    if (!verified_ || SSL_get_selected_srtp_profile(ssl_.get()) == nullptr) return fail(Failure::internal);
    state_ = State::connected;
    retransmit_at_ = give_up_at_ = kNever;
    flight_.shrink_to_fit();  // what remains may be kept as long as the session
    return;
  }
  if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ)
    return fail(failure_ != Failure::none ? failure_ : failure_from_queue());
  if (new_flight_) {
    timer_ = kFirstTimer;
    retransmit_at_ = now + timer_;
  }
}

/// Takes note of close_notify; application data has no taker.
void Server::read_on() {
  uint8_t discard[2048];
  int n;
  do {
    n = SSL_read(ssl_.get(), discard, sizeof discard);
  } while (n > 0);
  const int error = SSL_get_error(ssl_.get(), n);
  if (error == SSL_ERROR_WANT_READ) return;
  state_ = State::closed;
  if (error != SSL_ERROR_ZERO_RETURN) fail(failure_from_queue());
  ERR_clear_error();
  ssl_.reset();
}

void Server::fail(Failure f) {
  state_ = State::failed;
  failure_ = f;
  retransmit_at_ = give_up_at_ = kNever;
  flight_.clear();
  flight_.shrink_to_fit();
  ssl_.reset();
  ERR_clear_error();
}

// RFC 6347 §4.2.4. OpenSSL's own timer reads the wall clock, so it is parked (park_timer) and the flight is
// sent again from here. Only the flight from ServerHello to ServerHelloDone is ever repeated on a timer: all
// of epoch 0, in the clear and without a MAC, so sent() can give each record the new sequence number that
// §4.2.2 asks for.
void Server::timeout(Micros now, Output& out) {
  if (state_ != State::handshaking) return;
  if (now >= give_up_at_) return fail(Failure::timeout);
  if (now < retransmit_at_) return;
  out_ = &out;
  for (size_t at = 0; const uint16_t n : datagrams_) {
    number_records(MutBytes(flight_).subspan(at, n));
    out.push(Bytes(flight_).subspan(at, n));
    at += n;
  }
  out_ = nullptr;
  ++retransmissions_;
  timer_ = std::min(timer_ * 2, kMaxTimer);
  retransmit_at_ = now + timer_;
}

/// Numbers the records of epoch 0 consecutively over OpenSSL's and our own sendings, or the client's replay
/// window (RFC 6347 §4.1.2.6) would eat what OpenSSL sends after a retransmission that it does not know of.
void Server::number_records(MutBytes datagram) {
  RecordReader reader(datagram);
  size_t at = 0;
  while (const auto record = reader.next()) {
    if (record->epoch == 0) {
      store_be<uint16_t>(datagram.data() + at + 5, static_cast<uint16_t>(next_sequence_ >> 32));
      store_be<uint32_t>(datagram.data() + at + 7, static_cast<uint32_t>(next_sequence_));
      ++next_sequence_;
    }
    at += kRecordHeader + record->fragment.size();
  }
}

void Server::sent(Bytes datagram) {
  if (datagram.empty() || datagram.size() > kMtu || out_ == nullptr) return;
  if (state_ != State::handshaking) {
    // An alert: nothing that has to be kept.
    std::array<uint8_t, kMtu> copy;
    const MutBytes numbered = MutBytes(copy).first(datagram.size());
    std::ranges::copy(datagram, numbered.begin());
    number_records(numbered);
    out_->push(numbered);
    return;
  }
  if (!new_flight_) {
    new_flight_ = true;
    flight_.clear();
    datagrams_.clear();
  }
  const size_t at = flight_.size();
  flight_.insert(flight_.end(), datagram.begin(), datagram.end());
  datagrams_.push_back(static_cast<uint16_t>(datagram.size()));
  number_records(MutBytes(flight_).subspan(at));
  out_->push(Bytes(flight_).subspan(at));
}

std::expected<SrtpKeys, Failure> Server::export_keys() {
  if (state_ != State::connected || ssl_ == nullptr || !verified_) return std::unexpected(Failure::internal);
  const SRTP_PROTECTION_PROFILE* const chosen = SSL_get_selected_srtp_profile(ssl_.get());
  const Lengths n = lengths_of(chosen == nullptr ? 0 : chosen->id);
  if (n.key == 0) return std::unexpected(Failure::internal);
  // RFC 5764 §4.2: client key, server key, client salt, server salt.
  std::array<uint8_t, 2 * (32 + 14)> material;
  constexpr std::string_view kLabel = "EXTRACTOR-dtls_srtp";
  if (SSL_export_keying_material(ssl_.get(), material.data(), 2 * (size_t{n.key} + n.salt), kLabel.data(),
                                 kLabel.size(), nullptr, 0, 0) != 1)
    return std::unexpected(Failure::internal);
  std::expected<SrtpKeys, Failure> result(std::in_place);  // no second copy of the keys on the stack
  SrtpKeys& keys = *result;
  keys.profile = static_cast<uint16_t>(chosen->id);
  keys.key_len = n.key;
  keys.salt_len = n.salt;
  Reader r(material);
  const auto take = [&r](auto& to, size_t size) { std::ranges::copy(r.take(size), to.begin()); };
  take(keys.client_key_bytes, n.key);
  take(keys.server_key_bytes, n.key);
  take(keys.client_salt_bytes, n.salt);
  take(keys.server_salt_bytes, n.salt);
  OPENSSL_cleanse(material.data(), material.size());
  return result;
}

void Server::close(Output& out) {
  if (state_ != State::connected || ssl_ == nullptr) return;
  enter(out);
  SSL_shutdown(ssl_.get());
  out_ = nullptr;
  state_ = State::closed;
  ssl_.reset();
  ERR_clear_error();
}

}  // namespace sluice::dtls
