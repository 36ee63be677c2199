#include "tests/client/srtp_link.h"

#include "tools/client/srtp_keys.h"

namespace sluice::test {

SrtpLink::~SrtpLink() {
  in_.close(cipher_);
  out_.close(cipher_);
}

bool SrtpLink::open(const dtls::SrtpKeys& keys) {
  const auto master = client::master_keys(keys);
  return master && in_.open(cipher_, in_context_, master->server) &&
         out_.open(cipher_, out_context_, master->client);
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
