#include "net/ice/check.h"

#include <doctest/doctest.h>

#include "tests/unit/ice/fixture.h"

using namespace sluice;
using namespace sluice::ice;
using crypto::kPrimitives;
using stun::Attr;
using stun::Integrity;
using test::kNow;
using test::Server;

namespace {

const Server kServer;
const Keys& keys() { return kServer.keys.keys(); }

test::CheckText good() {
  test::CheckText c;
  c.ufrag = kServer.mint(test::fields(3));
  c.password = kServer.password(c.ufrag);
  return c;
}

Drop drop_of(const std::vector<uint8_t>& bytes) {
  const auto rq = check_request(bytes, keys(), kNow);
  return rq ? Drop::none : rq.error();
}

uint16_t error_of(const test::CheckText& c) {
  const auto bytes = test::write(c);
  const auto rq = check_request(bytes, keys(), kNow);
  REQUIRE(rq.has_value());
  return rq->error;
}

const Endpoint kRemote = parse_endpoint("198.51.100.1:40000").value();

}  // namespace

TEST_CASE("an authentic check is taken apart") {
  test::CheckText c = good();
  c.use_candidate = true;
  const auto bytes = test::write(c);
  const auto rq = check_request(bytes, keys(), kNow);
  REQUIRE(rq.has_value());
  CHECK(rq->ufrag == test::fields(3));
  CHECK(rq->key_id == 1);
  CHECK(rq->tid == c.tid);
  CHECK(rq->use_candidate);
  CHECK(rq->priority == 0x6e7f1eff);
  CHECK(rq->bytes == bytes.size());
  CHECK(rq->local_ufrag == c.ufrag);
  CHECK(rq->remote_ufrag == test::kRemoteUfrag);
  CHECK(rq->password.text() == c.password);
  CHECK(rq->error == 0);
  CHECK_FALSE(rq->expired);
  CHECK(rq->integrity == Integrity::sha1);
}

TEST_CASE("a check may use either integrity, no fingerprint, and no priority") {
  test::CheckText c = good();
  c.integrity = Integrity::sha256;
  c.fingerprint = false;
  c.more = [](stun::Builder&) {};
  const auto bytes = test::write(c);
  const auto rq = check_request(bytes, keys(), kNow);
  REQUIRE(rq.has_value());
  CHECK(rq->integrity == Integrity::sha256);
  CHECK(rq->priority == 0);
  CHECK(rq->error == 0);
}

TEST_CASE("a check with any bit changed is dropped") {
  const auto bytes = test::write(good());
  // The type of FINGERPRINT, which stands behind the integrity, is the only part that nothing protects: with
  // another type it is an attribute to be ignored.
  const size_t fingerprint_at = bytes.size() - 8;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    if (bit / 8 == fingerprint_at || bit / 8 == fingerprint_at + 1) continue;
    auto bad = bytes;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    CHECK_FALSE(check_request(bad, keys(), kNow).has_value());
  }
}

TEST_CASE("what is wrong with a check decides how its drop is counted") {
  test::CheckText c = good();
  CHECK(drop_of(test::write(c)) == Drop::none);
  CHECK(drop_of({}) == Drop::stun_malformed);

  auto bytes = test::write(c);
  bytes.back() ^= 1;
  CHECK(drop_of(bytes) == Drop::stun_bad_fingerprint);

  c.password = "wrong";
  CHECK(drop_of(test::write(c)) == Drop::stun_bad_integrity);
  c = good();
  c.integrity = Integrity::none;
  CHECK(drop_of(test::write(c)) == Drop::stun_bad_integrity);

  c = good();
  c.ufrag[10] = c.ufrag[10] == 'A' ? 'B' : 'A';
  CHECK(drop_of(test::write(c)) == Drop::ufrag_forged);
  for (const char* remote : {"", "abc", "bad-char"}) {
    c = good();
    c.remote_ufrag = remote;
    CHECK(drop_of(test::write(c)) == Drop::ufrag_forged);
  }
  c.remote_ufrag = std::string(256, 'x');
  CHECK(drop_of(test::write(c)) == Drop::none);
  c.remote_ufrag = std::string(257, 'x');
  CHECK(drop_of(test::write(c)) == Drop::ufrag_forged);
  c = good();
  c.ufrag.pop_back();
  CHECK(drop_of(test::write(c)) == Drop::ufrag_forged);

  std::array<uint8_t, 64> memory;
  stun::Builder nameless(memory, stun::Class::request, stun::Method::binding, c.tid);
  CHECK(drop_of(test::copy(nameless.message())) == Drop::ufrag_forged);
  stun::Builder indication(memory, stun::Class::indication, stun::Method::binding, c.tid);
  CHECK(drop_of(test::copy(indication.message())) == Drop::stun_unsupported);
  stun::Builder allocate(memory, stun::Class::request, static_cast<stun::Method>(3), c.tid);
  CHECK(drop_of(test::copy(allocate.message())) == Drop::stun_unsupported);
}

TEST_CASE("a ufrag whose ICE key is not here cannot be verified") {
  ShardKeys route_only;
  std::array<uint8_t, 16> route{};
  route.fill(1);
  route_only.add_route_key(1, route);
  const auto bytes = test::write(good());
  const auto view = stun::View::parse(bytes).value();
  CHECK(route_request(view, route_only.keys(), kNow).has_value());
  CHECK(check_request(view, route_only.keys(), kNow).error() == Drop::stun_bad_integrity);
}

TEST_CASE("an expired ufrag is dropped, or reported to a caller who asks for that") {
  const auto bytes = test::write(good());
  const ExpiryUnit late = kNow + 6;
  CHECK(check_request(bytes, keys(), late).error() == Drop::ufrag_expired);
  const auto rq = check_request(bytes, keys(), late, Expiry::report);
  REQUIRE(rq.has_value());
  CHECK(rq->expired);
}

TEST_CASE("a success response carries the address and the integrity of its request") {
  for (const char* remote : {"198.51.100.1:40000", "[2001:db8::2]:40000"})
    for (Integrity integrity : {Integrity::sha1, Integrity::sha256}) {
      test::CheckText c = good();
      c.integrity = integrity;
      const auto bytes = test::write(c);
      const auto rq = check_request(bytes, keys(), kNow);
      REQUIRE(rq.has_value());
      const Endpoint endpoint = parse_endpoint(remote).value();
      std::array<uint8_t, kMaxMessageBytes> memory;
      const size_t n = write_success(memory, *rq, endpoint, kPrimitives);
      CHECK(n == success_bytes(endpoint.is_v4(), integrity));
      const auto v = stun::View::parse(Bytes(memory).first(n)).value();
      CHECK(v.is_binding(stun::Class::success));
      CHECK(v.transaction_id() == c.tid);
      CHECK(v.xor_address() == endpoint);
      CHECK(v.integrity() == integrity);
      CHECK(v.integrity_ok(kPrimitives, as_bytes(c.password)));
      CHECK(v.fingerprint_ok());
      CHECK(n < 3 * bytes.size());
    }
}

TEST_CASE("unknown attributes that must be understood are answered with 420 and their names") {
  test::CheckText c = good();
  c.more = [](stun::Builder& b) {
    b.flag(static_cast<Attr>(0x7ffe));
    b.flag(static_cast<Attr>(0xc057));
    b.flag(static_cast<Attr>(0x0003));
  };
  const auto bytes = test::write(c);
  const auto rq = check_request(bytes, keys(), kNow);
  REQUIRE(rq.has_value());
  REQUIRE(rq->error == 420);
  std::array<uint8_t, kMaxMessageBytes> memory;
  const size_t n = write_error(memory, *rq, kPrimitives);
  const auto v = stun::View::parse(Bytes(memory).first(n)).value();
  CHECK(v.is_binding(stun::Class::error));
  CHECK(v.error_code().value().code == 420);
  std::array<uint16_t, 8> unknown;
  REQUIRE(v.unknown_attributes(unknown) == 2);
  CHECK(unknown[0] == 0x7ffe);
  CHECK(unknown[1] == 0x0003);
  CHECK(v.integrity_ok(kPrimitives, as_bytes(c.password)));
  CHECK(v.fingerprint_ok());
}

TEST_CASE("a client that claims our role is told of the conflict") {
  test::CheckText c = good();
  for (auto more : {+[](stun::Builder& b) { b.u64(Attr::ice_controlled, 0); },
                    +[](stun::Builder& b) { b.u64(Attr::ice_controlled, UINT64_MAX); }}) {
    c.more = more;
    CHECK(error_of(c) == 487);
  }
}

TEST_CASE("authentic checks with malformed attributes are answered with 400") {
  test::CheckText c = good();
  for (auto more : {+[](stun::Builder& b) { b.u64(Attr::priority, 1); },
                    +[](stun::Builder& b) { b.u32(Attr::ice_controlling, 1); },
                    +[](stun::Builder& b) { b.u32(Attr::ice_controlled, 1); },
                    +[](stun::Builder& b) { b.u32(Attr::use_candidate, 1); },
                    +[](stun::Builder& b) {
                      b.u64(Attr::ice_controlling, 1);
                      b.u64(Attr::ice_controlled, 1);
                    }}) {
    c.more = more;
    CHECK(error_of(c) == 400);
  }
}

TEST_CASE("errors are never sent for what is not authentic") {
  test::CheckText c = good();
  c.password = "wrong";
  c.more = [](stun::Builder& b) { b.u64(Attr::ice_controlled, 0); };
  CHECK(drop_of(test::write(c)) == Drop::stun_bad_integrity);
}

TEST_CASE("a challenge is a request that the client can verify, and its answer proves the client") {
  const std::string local = kServer.mint(test::fields());
  const stun::TransactionId tid{7, 7, 7};
  std::array<uint8_t, kMaxMessageBytes> memory;
  size_t n = write_challenge(memory, tid, test::kRemoteUfrag, local, test::kRemotePassword, kPrimitives);
  CHECK(n == challenge_bytes(test::kRemoteUfrag.size()));
  const auto v = stun::View::parse(Bytes(memory).first(n)).value();
  CHECK(v.is_binding(stun::Class::request));
  CHECK(v.username() == std::string(test::kRemoteUfrag) + ":" + local);
  CHECK(v.integrity_ok(kPrimitives, as_bytes(test::kRemotePassword)));
  CHECK(v.fingerprint_ok());
  CHECK(v.has(Attr::priority));
  CHECK(v.has(Attr::ice_controlled));

  stun::Builder answer(memory, stun::Class::success, stun::Method::binding, tid);
  answer.xor_address(Attr::xor_mapped_address, kRemote);
  answer.integrity(Integrity::sha1, kPrimitives, as_bytes(test::kRemotePassword));
  answer.fingerprint();
  const auto reply = stun::View::parse(answer.message()).value();
  CHECK(check_response(reply, kPrimitives, test::kRemotePassword) == tid);
  CHECK(check_response(reply, kPrimitives, "another").error() == Drop::stun_bad_integrity);
  CHECK(check_response(v, kPrimitives, test::kRemotePassword).error() == Drop::stun_unsupported);
  const std::string longest(256, 'u');
  n = write_challenge(memory, tid, longest, local, test::kRemotePassword, kPrimitives);
  CHECK(n == challenge_bytes(256));
  CHECK(n > 0);
}

TEST_CASE("a damaged answer to a challenge is dropped by its fingerprint") {
  std::array<uint8_t, 128> memory;
  stun::Builder b(memory, stun::Class::success, stun::Method::binding, {});
  b.integrity(Integrity::sha1, kPrimitives, as_bytes("p"));
  b.fingerprint();
  memory[b.size() - 1] ^= 1;
  const auto v = stun::View::parse(b.message()).value();
  CHECK(check_response(v, kPrimitives, "p").error() == Drop::stun_bad_fingerprint);
}
