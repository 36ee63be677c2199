// A TURN client that logs in at a live engine, over a real socket.
#pragma once

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include "engine/sluice.h"
#include "net/crypto/hmac.h"
#include "net/io/socket.h"
#include "net/stun/builder.h"
#include "net/stun/message.h"
#include "net/turn/credentials.h"

namespace sluice::test {

class TurnLogin {
 public:
  /// `user`, whose password is "wonderland", at the engine's first endpoint.
  TurnLogin(const sluice_engine* engine, std::string user)
      : user_(std::move(user)), fd_(::socket(AF_INET, SOCK_DGRAM, 0)) {
    char at[1][56];
    REQUIRE(sluice_listening(engine, at, 1) >= 1);
    const Endpoint server = parse_endpoint(at[0]).value();
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(server.addr.v4_host_order());
    a.sin_port = htons(server.port);
    REQUIRE(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0);
  }

  /// The error code; 0: success.
  int allocate() {
    const auto udp = [](stun::Builder& b) { b.u32(stun::Attr::requested_transport, 17U << 24); };
    return login(stun::Method::allocate, udp);
  }
  int refresh(uint32_t lifetime) {
    return login(stun::Method::refresh, [&](stun::Builder& b) { b.u32(stun::Attr::lifetime, lifetime); });
  }

 private:
  template <class More>
  int login(stun::Method method, const More& more) {
    const int code = call(method, more);
    return code == 401 ? call(method, more) : code;
  }

  template <class More>
  int call(stun::Method method, const More& more) {
    std::array<uint8_t, 1024> out;
    stun::TransactionId tid{};
    tid[0] = ++count_;
    stun::Builder b(out, stun::Class::request, method, tid);
    more(b);
    if (!nonce_.empty()) {
      b.attribute(stun::Attr::username, as_bytes(user_));
      b.attribute(stun::Attr::realm, as_bytes(realm_));
      b.attribute(stun::Attr::nonce, as_bytes(nonce_));
      const auto key =
          turn::long_term_key(crypto::kPrimitives, turn::PasswordAlgorithm::md5, user_, realm_, "wonderland");
      b.integrity(stun::Integrity::sha1, crypto::kPrimitives, key.bytes());
    }
    REQUIRE(::send(fd_.get(), out.data(), b.size(), 0) == static_cast<ssize_t>(b.size()));
    pollfd p{fd_.get(), POLLIN, 0};
    REQUIRE(::poll(&p, 1, 10'000) == 1);
    const ssize_t n = ::recv(fd_.get(), in_.data(), in_.size(), 0);
    REQUIRE(n > 0);
    const auto view = stun::View::parse(Bytes(in_).first(static_cast<size_t>(n))).value();
    if (const auto realm = view.find(stun::Attr::realm)) realm_ = as_text(*realm);
    if (const auto nonce = view.find(stun::Attr::nonce)) nonce_ = as_text(*nonce);
    return view.error_code() ? view.error_code()->code : 0;
  }

  std::string user_, realm_, nonce_;
  io::Fd fd_;
  uint8_t count_ = 0;
  std::array<uint8_t, 2048> in_{};
};

}  // namespace sluice::test
