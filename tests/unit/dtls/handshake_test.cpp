#include <string>

#include <doctest/doctest.h>

#include "tests/unit/dtls/call.h"

using namespace sluice;
using namespace sluice::test;

TEST_CASE("a client and the server agree on keys, and the certificate is the one the fingerprint names") {
  Call call;
  REQUIRE(call.connect());
  const auto keys = call.server->export_keys();
  REQUIRE(keys);
  CHECK(same(*keys, call.client.keys()));
  CHECK(dtls::equal(call.client.server_fingerprint(), server_context().fingerprint()));
  CHECK(call.client.extended_master_secret());
  CHECK(std::string(call.client.cipher()) == "ECDHE-ECDSA-AES128-GCM-SHA256");
  CHECK(call.server->deadline() == kNever);
  CHECK(keys->client_key_bytes != keys->server_key_bytes);
}

TEST_CASE("the server's order of SRTP profiles wins over the client's") {
  const std::string cm = "SRTP_AES128_CM_SHA1_80", gcm128 = "SRTP_AEAD_AES_128_GCM",
                    gcm256 = "SRTP_AEAD_AES_256_GCM";
  const auto check = [](const std::string& offered, uint16_t chosen, size_t key, size_t salt) {
    CAPTURE(offered);
    ClientOptions o;
    o.srtp = offered.c_str();
    Call call(o);
    REQUIRE(call.connect());
    const auto keys = call.server->export_keys();
    REQUIRE(keys);
    CHECK(keys->profile == chosen);
    CHECK(keys->client_key().size() == key);
    CHECK(keys->server_salt().size() == salt);
    CHECK(same(*keys, call.client.keys()));
  };
  for (const std::string& o : {cm + ":" + gcm256 + ":" + gcm128, gcm128, gcm256 + ":" + gcm128,
                               gcm128 + ":" + cm, "SRTP_AES128_CM_SHA1_32:" + cm + ":" + gcm128})
    check(o, dtls::kAeadAes128Gcm, 16, 12);
  for (const std::string& o : {cm + ":" + gcm256, gcm256 + ":" + cm, gcm256})
    check(o, dtls::kAeadAes256Gcm, 32, 12);
  for (const std::string& o : {cm, "SRTP_AES128_CM_SHA1_32:" + cm})
    check(o, dtls::kAesCm128HmacSha1_80, 16, 14);
}

TEST_CASE("a client without a common SRTP profile fails before anything but an alert is sent") {
  for (const char* offered : {static_cast<const char*>(nullptr), "SRTP_AES128_CM_SHA1_32"}) {
    ClientOptions o;
    o.srtp = offered;
    Call call(o);
    CHECK(!call.connect());
    CHECK(call.server->failure() == dtls::Failure::no_srtp_profile);
    CHECK(call.client.failed());
    CHECK(!call.server->export_keys());
  }
}

TEST_CASE("every hash of the offer's fingerprint is understood") {
  for (const auto alg : {dtls::HashAlg::sha256, dtls::HashAlg::sha384, dtls::HashAlg::sha512}) {
    Call call;
    call.server.emplace(server_context(), call.client.fingerprint(alg));
    CHECK(call.connect());
  }
}

TEST_CASE("a certificate other than the one that the offer names gets an alert and no keys") {
  for (const auto alg : {dtls::HashAlg::sha256, dtls::HashAlg::sha384, dtls::HashAlg::sha512}) {
    for (const size_t bit : {size_t{0}, dtls::digest_size(alg) * 8 - 1}) {
      Call call;
      auto wrong = call.client.fingerprint(alg);
      wrong.digest[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
      call.server.emplace(server_context(), wrong);
      CHECK(!call.connect());
      CHECK(call.server->state() == dtls::State::failed);
      CHECK(call.server->failure() == dtls::Failure::fingerprint_mismatch);
      CHECK(!call.server->export_keys());
      CHECK(call.server->last_flight().empty());
      CHECK(!call.client.connected());
      CHECK(call.client.alert() == 42);  // bad_certificate
    }
  }
}

TEST_CASE("a server that was told no fingerprint trusts nobody") {
  Call call;
  call.server.emplace(server_context(), dtls::Fingerprint{});
  CHECK(!call.connect());
  CHECK(call.server->failure() == dtls::Failure::fingerprint_mismatch);
}

TEST_CASE("a client without a certificate is refused") {
  ClientOptions o;
  o.certificate = ClientOptions::Certificate::none;
  Call call(o);
  CHECK(!call.connect());
  CHECK(call.server->failure() == dtls::Failure::no_client_certificate);
  CHECK(call.client.alert() == 40);  // handshake_failure
}

TEST_CASE("clients with RSA certificates, and with any of our suites and curves, are served") {
  ClientOptions rsa;
  rsa.certificate = ClientOptions::Certificate::rsa;
  CHECK(Call(rsa).connect());
  for (const char* suite :
       {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    ClientOptions o;
    o.ciphers = suite;
    Call call(o);
    CHECK(call.connect());
    CHECK(std::string(call.client.cipher()) == suite);
  }
  // P-256 stays in the list: RFC 8422 §5.1 ties it to the curve of our certificate, too.
  for (const std::string group : {"X25519:P-256", "P-256", "P-384:P-256", "P-521:X25519:P-256"}) {
    CAPTURE(group);
    ClientOptions o;
    o.groups = group.c_str();
    CHECK(Call(o).connect());
  }
}

TEST_CASE("old versions, suites without forward secrecy or AEAD, and other curves are refused") {
  ClientOptions old;
  old.dtls_1_0 = true;
  Call call(old);
  CHECK(!call.connect());
  CHECK(call.server->failure() == dtls::Failure::no_common_parameters);
  for (const char* suite : {"AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256"}) {
    ClientOptions o;
    o.ciphers = suite;
    Call c(o);
    CHECK(!c.connect());
    CHECK(c.server->failure() == dtls::Failure::no_common_parameters);
    CHECK(c.client.failed());
  }
  ClientOptions curve;
  curve.groups = "P-521";
  Call c(curve);
  CHECK(!c.connect());
  CHECK(c.server->failure() == dtls::Failure::no_common_parameters);
}

TEST_CASE("close_notify ends the session in both directions") {
  Call by_server;
  REQUIRE(by_server.connect());
  by_server.server->close(by_server.out);
  CHECK(by_server.server->state() == dtls::State::closed);
  REQUIRE(by_server.out.size() == 1);
  CHECK(dtls::is_alert(by_server.out[0]));
  by_server.send_all();
  by_server.run(by_server.now + seconds(1), [&] { return by_server.client.got_close_notify(); });
  CHECK(by_server.client.got_close_notify());
  by_server.server->close(by_server.out);
  CHECK(by_server.out.empty());

  Call by_client;
  REQUIRE(by_client.connect());
  by_client.client.close();
  by_client.send_all();
  by_client.run(by_client.now + seconds(1), [&] { return by_client.server->state() == dtls::State::closed; });
  CHECK(by_client.server->state() == dtls::State::closed);
  CHECK(by_client.server->failure() == dtls::Failure::none);
}

TEST_CASE("a close_notify made at once and kept is still good after the SSL object is gone") {
  Call call;
  call.free_when_connected = true;
  REQUIRE(call.connect());
  REQUIRE(call.remains);
  CHECK(same(call.remains->keys, call.client.keys()));
  CHECK(!call.client.got_close_notify());
  call.out.push(call.remains->close_notify);
  call.send_all();
  call.run(call.now + seconds(1), [&] { return call.client.got_close_notify(); });
  CHECK(call.client.got_close_notify());
}

TEST_CASE("a connected server ignores a repeated flight, data and a second ClientHello, and keeps its keys") {
  Call call;
  std::vector<Datagram> sent;
  call.filter = [&](bool to_server, const Datagram& d) {
    if (to_server) sent.push_back(d);
    return true;
  };
  REQUIRE(call.connect());
  const auto keys = call.server->export_keys();
  const Datagram last(call.server->last_flight().begin(), call.server->last_flight().end());
  for (const Datagram& d : sent) call.server->input(d, call.now, call.out);
  // Only the datagram with Finished in it is answered.
  REQUIRE(call.out.size() == 1);
  CHECK(std::ranges::equal(call.out[0], last));
  CHECK(call.server->state() == dtls::State::connected);
  CHECK(same(call.server->export_keys().value(), keys.value()));
  CHECK(std::ranges::equal(call.server->last_flight(), last));
}

TEST_CASE("a server can be moved in the middle of a handshake") {
  Call call;
  call.start();
  call.run(call.now + millis(50), [&] { return call.server->deadline() < call.now + seconds(1); });
  dtls::Server moved = std::move(*call.server);
  call.server.emplace(std::move(moved));
  call.run(call.now + seconds(5), [&] { return call.both_connected(); });
  CHECK(call.both_connected());
}
