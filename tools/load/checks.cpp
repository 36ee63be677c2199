#include "tools/load/checks.h"

#include "net/crypto/hmac.h"
#include "net/stun/builder.h"

namespace sluice::load {
namespace {

constexpr uint32_t kPriority = 0x6E7F1EFF;  // peer-reflexive, one component (RFC 8445 §5.1.2)

}  // namespace

uint16_t write_check(MutBytes out, const stun::TransactionId& id, const CheckText& text,
                     uint64_t tie_breaker) {
  stun::Builder b(out, stun::Class::request, stun::Method::binding, id);
  b.username(text.remote_ufrag, text.local_ufrag);
  b.u64(stun::Attr::ice_controlling, tie_breaker);
  b.u32(stun::Attr::priority, kPriority);
  b.flag(stun::Attr::use_candidate);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes(text.remote_password));
  b.fingerprint();
  return static_cast<uint16_t>(b.size());
}

uint16_t write_forged_check(MutBytes out, uint64_t number) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
  // splitmix64
  const auto random = [&number] {
    uint64_t z = number += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  };
  stun::TransactionId id;
  store_be<uint64_t>(id.data(), random());
  store_be<uint32_t>(id.data() + 8, static_cast<uint32_t>(random()));
  std::array<char, 24> ufrag;
  for (char& c : ufrag) c = kLetters[random() % kLetters.size()];
  std::array<uint8_t, 20> integrity{};
  store_be<uint64_t>(integrity.data(), random());
  stun::Builder b(out, stun::Class::request, stun::Method::binding, id);
  b.username({ufrag.data(), ufrag.size()}, "abcd");
  b.u64(stun::Attr::ice_controlling, number);
  b.u32(stun::Attr::priority, kPriority);
  b.flag(stun::Attr::use_candidate);
  b.attribute(stun::Attr::message_integrity, integrity);
  b.fingerprint();
  return static_cast<uint16_t>(b.size());
}

uint16_t write_check_answer(MutBytes out, const stun::View& check, const Endpoint& from,
                            std::string_view password) {
  stun::Builder b(out, stun::Class::success, stun::Method::binding, check.transaction_id());
  b.xor_address(stun::Attr::xor_mapped_address, from);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes(password));
  b.fingerprint();
  return static_cast<uint16_t>(b.size());
}

}  // namespace sluice::load
