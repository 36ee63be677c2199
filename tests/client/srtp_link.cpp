#include "tests/client/srtp_link.h"

#include <algorithm>

namespace sluice::test {

SrtpLink::~SrtpLink() {
  in_.close(cipher_);
  out_.close(cipher_);
}

bool SrtpLink::open(const dtls::SrtpKeys& keys) {
  const auto profile = srtp::profile_from_id(keys.profile);
  if (!profile) return false;
  srtp::MasterKey receive, send;
  receive.profile = send.profile = *profile;
  std::ranges::copy(keys.server_key(), receive.key.begin());
  std::ranges::copy(keys.server_salt(), receive.salt.begin());
  std::ranges::copy(keys.client_key(), send.key.begin());
  std::ranges::copy(keys.client_salt(), send.salt.begin());
  return in_.open(cipher_, in_context_, receive) && out_.open(cipher_, out_context_, send);
}

std::vector<uint8_t> SrtpLink::protect(std::vector<uint8_t> plain, size_t header_len, bool rtcp) {
  const size_t len = plain.size();
  plain.resize(len + srtp::kMaxOverhead);
  srtp::TxJob job;
  job.out = &out_;
  job.dst = plain.data();
  job.header_len = static_cast<uint16_t>(header_len);
  job.payload = plain.data() + header_len;
  job.payload_len = static_cast<uint16_t>(len - header_len);
  job.rtcp = rtcp;
  srtp::protect(cipher_, {&job, 1});
  plain.resize(job.result == Drop::none ? job.out_len : 0);
  return plain;
}

Drop SrtpLink::unprotect(std::vector<uint8_t>& packet, bool rtcp) {
  srtp::RxJob job;
  job.in = &in_;
  job.data = packet.data();
  job.len = static_cast<uint16_t>(packet.size());
  job.rtcp = rtcp;
  srtp::unprotect(cipher_, {&job, 1});
  packet.resize(job.out_len);
  return job.result;
}

}  // namespace sluice::test
