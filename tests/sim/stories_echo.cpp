#include "tests/sim/story.h"

namespace sluice::sim {

TEST_CASE("an echo comes back after the set delay, complete and in order") {
  WorldOptions o;
  o.engine.echo_delay = millis(300);
  World w(o);
  Host& h = w.call(echo_caller());
  REQUIRE(connects(w, h));
  w.run_for(seconds(5));
  REQUIRE(heard(h).size() > 200);
  const Micros first = heard(h)[0].at;
  for (size_t i = 0; i < heard(h).size(); ++i) {
    CHECK(heard(h)[i].mark.counter == i);
    CHECK(heard(h)[i].at - first == millis(20) * static_cast<int64_t>(i));
  }
  CHECK(h.peer.problem() == "");
  CHECK(w.all_drops() == 0);
}

TEST_CASE("every SRTP profile, and a handshake in small fragments, carries a call") {
  for (const char* profile : {"SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"})
    for (const long mtu : {1200L, 300L})
      for (const auto kind : {srtp::Kind::openssl, srtp::Kind::libsrtp}) {
        CAPTURE(profile);
        CAPTURE(mtu);
        WorldOptions o;
        o.engine.srtp = srtp::Kind::automatic;
        o.client_srtp = kind;
        World w(o);
        HostOptions c = echo_caller();
        c.peer.dtls.srtp = profile;
        c.peer.dtls.mtu = mtu;
        Host& h = w.call(c);
        REQUIRE(connects(w, h));
        w.run_for(seconds(1));
        CHECK(flows(w, h));
        CHECK(h.peer.refused(Drop::srtp_auth) == 0);
      }
}

TEST_CASE("a call over IPv6 is a call") {
  WorldOptions o;
  o.listen = {{*parse_address("2001:db8:5::1"), 3478}};
  World w(o);
  HostOptions c = echo_caller();
  c.ipv6 = true;
  Host& h = w.call(c);
  REQUIRE(connects(w, h));
  w.run_for(seconds(1));
  CHECK(flows(w, h));
}

TEST_CASE("both sides report what they send and receive") {
  World w({});
  HostOptions c = echo_caller();
  c.up.delay = c.down.delay = millis(25);
  Host& h = w.call(c);
  REQUIRE(connects(w, h));
  w.run_for(seconds(20));
  CHECK(h.peer.rtcp().sender_reports >= 3);
  REQUIRE(h.peer.rtcp().last_block[kAudio]);
  CHECK(h.peer.rtcp().last_block[kAudio]->cumulative_lost == 0);
  engine::SessionReport r;
  REQUIRE(w.engine().session_report(h.key, r));
  CHECK(std::abs(r.rtt.us - millis(50).us) < millis(3).us);
}

}  // namespace sluice::sim
