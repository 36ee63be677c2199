#include "net/srtp/srtp.h"

#include <cassert>

#include <openssl/crypto.h>

namespace sluice::srtp {
namespace {

using Salt = std::array<uint8_t, 14>;

bool open_direction(Cipher& cipher, std::span<std::byte> context, const MasterKey& key, Direction direction,
                    Association& a, Salt& rtcp_salt) {
  assert(a.context == nullptr);
  Cipher::Salts salts;
  const bool ok = cipher.init(context, key, direction, salts);
  if (ok) {
    a.context = context.data();
    a.profile_id = static_cast<uint8_t>(key.profile);
    a.rtp_salt = salts.rtp;
    rtcp_salt = salts.rtcp;
  } else {
    cipher.release(context, key.profile);
  }
  OPENSSL_cleanse(&salts, sizeof salts);
  return ok;
}

void close_direction(Cipher& cipher, Association& a, Salt& rtcp_salt) {
  if (a.context == nullptr) return;
  cipher.release({a.context, cipher.context_bytes(a.profile())}, a.profile());
  OPENSSL_cleanse(a.rtp_salt.data(), a.rtp_salt.size());
  OPENSSL_cleanse(rtcp_salt.data(), rtcp_salt.size());
}

/// A new stream, or null if there may be none with this SSRC and index.
template <class Stream>
Stream* add_stream(Association& a, std::array<Stream, kMaxStreams>& streams, uint32_t ssrc, uint64_t newest) {
  if (a.context == nullptr || a.n_rtp == kMaxStreams || newest >= kIndexEnd) return nullptr;
  for (size_t i = 0; i < a.n_rtp; ++i)
    if (streams[i].ssrc == ssrc) return nullptr;
  Stream& s = streams[a.n_rtp++];
  s = Stream{};
  s.ssrc = ssrc;
  return &s;
}

}  // namespace

bool Inbound::open(Cipher& cipher, std::span<std::byte> context, const MasterKey& key) {
  return open_direction(cipher, context, key, Direction::inbound, a_, rtcp_salt_);
}

void Inbound::close(Cipher& cipher) {
  close_direction(cipher, a_, rtcp_salt_);
  *this = Inbound{};
}

bool Inbound::restore(uint32_t ssrc, uint64_t newest_index) {
  RxStream* const s = add_stream(a_, rtp_, ssrc, newest_index);
  if (s == nullptr) return false;
  s->window.begin_after(newest_index, rtp_old_[a_.n_rtp - 1u]);
  return true;
}

bool Outbound::open(Cipher& cipher, std::span<std::byte> context, const MasterKey& key) {
  return open_direction(cipher, context, key, Direction::outbound, a_, rtcp_salt_);
}

void Outbound::close(Cipher& cipher) {
  close_direction(cipher, a_, rtcp_salt_);
  *this = Outbound{};
}

bool Outbound::restore(uint32_t ssrc, uint64_t newest_index) {
  TxStream* const s = add_stream(a_, rtp_, ssrc, newest_index);
  if (s == nullptr) return false;
  s->newest = newest_index;
  a_.packets += newest_index + 1;
  return true;
}

}  // namespace sluice::srtp
