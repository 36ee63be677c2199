// DESIGN.md, "Addresses are proven, not claimed", as somebody on the wire sees it: to an address that proved
// nothing goes at most three times what came from it.
#pragma once

#include <map>

#include "net/base/bytes.h"
#include "net/base/endpoint.h"
#include "net/dtls/record.h"
#include "net/stun/message.h"
#include "net/wire/classify.h"

namespace sluice::sim {

class Amplification {
 public:
  /// `honest`: sent by the client itself, so it may be what proves its address: the answer to a challenge, a
  /// Finished, SRTP.
  void received(const Endpoint& from, Bytes b, bool honest) {
    Account& a = accounts_[from];
    a.in += b.size();
    if (honest && may_prove(b)) a.proven = true;
  }
  /// False: the rule is broken.
  bool sent(const Endpoint& to, size_t n) {
    Account& a = accounts_[to];
    a.out += n;
    return a.proven || a.out <= 3 * a.in;
  }
  bool proven(const Endpoint& e) const {
    const auto it = accounts_.find(e);
    return it != accounts_.end() && it->second.proven;
  }
  /// By something that cannot be seen from what it sent: a server behind a relay has answered its check.
  void prove(const Endpoint& e) { accounts_[e].proven = true; }
  size_t addresses() const { return accounts_.size(); }

 private:
  struct Account {
    uint64_t in = 0, out = 0;
    bool proven = false;
  };
  static bool may_prove(Bytes b) {
    switch (wire::classify(b)) {
      case wire::PacketClass::stun: {
        // A TURN client's nonce has reached it; ChannelData follows one.
        const auto view = stun::View::parse(b);
        return (b.size() >= 2 && (b[0] & 1) != 0) ||  // RFC 8489 §5: class bit 1, a response
               (view && view->has(stun::Attr::nonce));
      }
      case wire::PacketClass::dtls:
        return dtls::looks_like_client_retransmission(b);
      case wire::PacketClass::turn_channel:
      case wire::PacketClass::rtp:
      case wire::PacketClass::rtcp:
        return true;
      default:
        return false;
    }
  }
  std::map<Endpoint, Account> accounts_;
};

}  // namespace sluice::sim
