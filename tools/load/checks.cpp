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

uint16_t write_check_answer(MutBytes out, const stun::View& check, const Endpoint& from,
                            std::string_view password) {
  stun::Builder b(out, stun::Class::success, stun::Method::binding, check.transaction_id());
  b.xor_address(stun::Attr::xor_mapped_address, from);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes(password));
  b.fingerprint();
  return static_cast<uint16_t>(b.size());
}

}  // namespace sluice::load
