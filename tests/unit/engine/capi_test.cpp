#include <array>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <poll.h>

#include "engine/sluice.h"
#include "tests/support/offers.h"

using sluice::test::offer;

namespace {

class Engine {
 public:
  explicit Engine(const std::vector<const char*>& public_address = {}) {
    sluice_config config;
    sluice_config_init(&config);
    const char* const listen[] = {"127.0.0.1:0"};
    config.listen = listen;
    config.listen_count = 1;
    config.public_address = public_address.data();
    config.public_address_count = public_address.size();
    config.shards = 1;
    config.max_sessions = 16;
    config.io = SLUICE_IO_MMSG;
    REQUIRE(sluice_open(&config, &engine_, nullptr) == SLUICE_OK);
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() { sluice_close(engine_); }

  sluice_code accept(const sluice_accept_request& r, sluice_accepted& out, sluice_error& err,
                     size_t cap = 65'536) {
    err = {};
    err.size = sizeof err;
    out = {};
    out.size = sizeof out;
    return sluice_accept(engine_, &r, answer_.data(), cap, &answer_len, &out, &err);
  }
  bool readable() const {
    pollfd p{sluice_event_fd(engine_), POLLIN, 0};
    return poll(&p, 1, 0) == 1;
  }
  operator sluice_engine*() const { return engine_; }
  std::string answer() const { return {answer_.data(), answer_len}; }

  size_t answer_len = 0;

 private:
  sluice_engine* engine_ = nullptr;
  std::array<char, 65'536> answer_{};
};

sluice_accept_request request(const std::string& offer) {
  sluice_accept_request r{};
  r.size = sizeof r;
  r.role = SLUICE_PUBLISH;
  r.name = "room";
  r.offer = offer.data();
  r.offer_len = offer.size();
  return r;
}

}  // namespace

TEST_CASE("C API: what a caller leaves out or makes up is named, not followed") {
  Engine e;
  const std::string text = offer("offer-chromium156-whip.sdp");
  sluice_accepted out;
  sluice_error err;
  sluice_accept_request r = request(text);
  r.role = static_cast<sluice_role>(3);
  CHECK(e.accept(r, out, err) == SLUICE_E_INVALID);
  CHECK(std::string(err.field) == "role");
  r = request(text);
  r.name = nullptr;
  CHECK(e.accept(r, out, err) == SLUICE_E_INVALID);
  CHECK(std::string(err.field) == "name");
  r = request(text);
  r.offer = nullptr;
  CHECK(e.accept(r, out, err) == SLUICE_E_INVALID);
  CHECK(std::string(err.field) == "offer");
  CHECK(sluice_sessions(e, nullptr, 0) == 0);

  sluice_config config;
  sluice_config_init(&config);
  config.listen_count = 1;
  sluice_engine* none = nullptr;
  CHECK(sluice_open(&config, &none, &err) == SLUICE_E_INVALID);
  CHECK(std::string(err.field) == "listen");
  sluice_config_init(&config);
  config.trunk = "127.0.0.1:3478";
  config.trunk_key = "0123456789abcdef";
  CHECK(sluice_open(&config, &none, &err) == SLUICE_E_INVALID);
  CHECK(std::string(err.field) == "trunk");
  config.trunk = nullptr;
  config.turn_secret = "a secret\rof two lines";
  CHECK(sluice_open(&config, &none, &err) == SLUICE_E_INVALID);
  CHECK(std::string(err.field) == "turn_secret");
}

TEST_CASE("C API: a relay alone reserves nothing for the sessions that it cannot have") {
  const auto keys = [](sluice_tier tier, unsigned sessions) {
    const char* listen = "127.0.0.1:0";
    sluice_config config;
    sluice_config_init(&config);
    config.listen = &listen;
    config.listen_count = 1;
    config.shards = 1;
    config.tier = tier;
    config.max_sessions = sessions;
    sluice_engine* e = nullptr;
    REQUIRE(sluice_open(&config, &e, nullptr) == SLUICE_OK);
    std::string text(sluice_describe(e, nullptr, 0) + 1, '\0');
    sluice_describe(e, text.data(), text.size());
    sluice_close(e);
    const size_t at = text.find("SRTP keys");
    REQUIRE(at != std::string::npos);
    return std::stoul(text.substr(at + std::string_view("SRTP keys").size()));
  };
  CHECK(keys(SLUICE_TIER_RELAY, 4096) == keys(SLUICE_TIER_RELAY, 1));
  CHECK(keys(SLUICE_TIER_BOTH, 4096) == 4096 * keys(SLUICE_TIER_BOTH, 1));
}

TEST_CASE("C API: an answer that does not fit leaves nothing behind but its length") {
  Engine e;
  const std::string text = offer("offer-chromium156-whip.sdp");
  sluice_accepted out;
  sluice_error err;
  CHECK(e.accept(request(text), out, err, 10) == SLUICE_E_BUFFER);
  CHECK(e.answer_len > 10);
  CHECK(sluice_sessions(e, nullptr, 0) == 0);
  REQUIRE(e.accept(request(text), out, err) == SLUICE_OK);

  // An ICE restart whose answer is lost for want of room can be asked for again.
  const std::string restart = "a=ice-ufrag:wxyz\r\na=ice-pwd:0123456789012345678901\r\n";
  std::array<char, 4096> answer;
  uint32_t generation = out.ice_generation;
  size_t len = 0;
  CHECK(sluice_trickle(e, out.session, &generation, restart.data(), restart.size(), answer.data(), 10, &len,
                       nullptr) == SLUICE_E_BUFFER);
  CHECK(generation == out.ice_generation);
  CHECK(len > 10);
  CHECK(sluice_trickle(e, out.session, &generation, restart.data(), restart.size(), answer.data(),
                       answer.size(), &len, nullptr) == SLUICE_OK);
  CHECK(generation == out.ice_generation + 1);
  CHECK(len > 10);
}

TEST_CASE("C API: events ring the descriptor, and an ended session is readable while its event is") {
  Engine e;
  const std::string text = offer("offer-chromium156-whep.sdp");
  sluice_accepted out;
  sluice_error err;
  sluice_accept_request r = request(text);
  r.role = SLUICE_PLAY;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(e.accept(r, out, err) == SLUICE_OK);
    REQUIRE(sluice_hangup(e, out.session, nullptr) == SLUICE_OK);
  }
  size_t closed = 0;
  sluice_event event;
  CHECK(e.readable());
  while (sluice_poll_events(e, &event, 1) == 1) {
    if (event.type != SLUICE_EVENT_CLOSED) continue;
    sluice_session_stats stats{};
    stats.size = sizeof stats;
    CHECK(sluice_get_session_stats(e, event.session, &stats) == SLUICE_OK);
    CHECK(stats.reason == SLUICE_CLOSE_HANGUP);
    ++closed;
  }
  CHECK(closed == 3);
  CHECK_FALSE(e.readable());
}

TEST_CASE("C API: behind a relay an answer names what the caller says and nothing else") {
  const auto candidates = [](const Engine& e) {
    std::vector<std::string> out;
    const std::string text = e.answer();
    for (size_t at = 0; (at = text.find("a=candidate:", at)) != std::string::npos; ++at) {
      const size_t end = text.find(" typ host", at);
      const size_t begin = text.rfind(' ', text.rfind(' ', end - 1) - 1) + 1;
      if (text.substr(at, end - at).find(" udp ") != std::string::npos)
        out.push_back(text.substr(begin, end - begin));
    }
    return out;
  };
  Engine e({"203.0.113.7:443", "[2001:db8::7]:3478", "203.0.113.8"});
  const std::string text = offer("offer-chromium156-whip.sdp");
  sluice_accepted out;
  sluice_error err;
  REQUIRE(e.accept(request(text), out, err) == SLUICE_OK);
  char own[1][56];
  REQUIRE(sluice_listening(e, own, 1) == 1);
  const std::string port = std::string(own[0]).substr(std::string(own[0]).rfind(':') + 1);
  CHECK(candidates(e) ==
        std::vector<std::string>{"203.0.113.7 443", "2001:db8::7 3478", "203.0.113.8 " + port});
  CHECK(e.answer().find("c=IN IP4 203.0.113.7") != std::string::npos);
  // By a port that leads to a relay nothing but UDP comes.
  CHECK(e.answer().find(" 203.0.113.7 443 typ host tcptype") == std::string::npos);
}
