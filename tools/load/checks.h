// ICE connectivity checks (RFC 8445 §7) as datagrams.
#pragma once

#include <string_view>

#include "net/base/bytes.h"
#include "net/stun/message.h"

namespace sluice::load {

struct CheckText {
  std::string_view remote_ufrag, local_ufrag, remote_password;
};
/// A binding request of a controlling agent that nominates its only pair. Returns its length.
uint16_t write_check(MutBytes out, const stun::TransactionId& id, const CheckText& text,
                     uint64_t tie_breaker);
/// A first check with right form and fingerprint, a ufrag and an integrity made up from `number`.
uint16_t write_forged_check(MutBytes out, uint64_t number);
/// The success response to `check`, which came from `from`; signed with the password of whoever answers.
uint16_t write_check_answer(MutBytes out, const stun::View& check, const Endpoint& from,
                            std::string_view password);

}  // namespace sluice::load
