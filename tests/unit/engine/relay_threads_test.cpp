// A whole engine with its threads over loopback, relaying and ending calls at once: above all for the thread
// sanitizer.

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/sluice.h"
#include "net/crypto/hmac.h"
#include "net/stun/builder.h"
#include "net/stun/message.h"
#include "tests/support/offers.h"

using namespace sluice;

namespace {

constexpr int kShards = 4, kPhones = 24, kChecks = 8, kEchoes = 12;
constexpr int kMostRounds = 20'000;

class Socket {
 public:
  Socket() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in a = loopback(0);
    socklen_t n = sizeof a;
    REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&a), n) == 0);
    REQUIRE(getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &n) == 0);
    port_ = ntohs(a.sin_port);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(fd_); }

  int fd() const { return fd_; }
  std::string text() const { return "127.0.0.1:" + std::to_string(port_); }
  void send(Bytes b, uint16_t port) { send(b, loopback(port)); }
  void send(Bytes b, const sockaddr_in& to) {
    // What the kernel has no room for is lost, as on any network.
    [[maybe_unused]] const auto n =
        sendto(fd_, b.data(), b.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  /// f(bytes, from) of everything that waits.
  template <class F>
  void drain(F&& f) {
    std::array<uint8_t, 2048> bytes;
    sockaddr_in from{};
    socklen_t n = sizeof from;
    for (;;) {
      const ssize_t got =
          recvfrom(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &n);
      if (got < 0) return;
      f(Bytes(bytes.data(), static_cast<size_t>(got)), from);
    }
  }

 private:
  static sockaddr_in loopback(uint16_t port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
  }
  int fd_;
  uint16_t port_ = 0;
};

std::string line_of(const std::string& text, std::string_view name) {
  const size_t at = text.find(name) + name.size();
  return text.substr(at, text.find_first_of("\r\n", at) - at);
}

std::vector<uint8_t> check(const std::string& ours, const std::string& theirs, const std::string& password) {
  static uint32_t count = 0;
  std::vector<uint8_t> bytes(256);
  stun::TransactionId tid{7};
  store_be<uint32_t>(&tid[4], ++count);
  stun::Builder b(bytes, stun::Class::request, stun::Method::binding, tid);
  b.username(ours, theirs);
  b.u32(stun::Attr::priority, 1);
  b.u64(stun::Attr::ice_controlling, 1);
  b.flag(stun::Attr::use_candidate);
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes(password));
  b.fingerprint();
  bytes.resize(b.size());
  return bytes;
}

/// Somebody else's server: a success for every check, everything else comes back.
void serve(Socket& s) {
  s.drain([&](Bytes b, const sockaddr_in& from) {
    const auto view = stun::View::parse(b);
    if (!view) return s.send(b, from);
    std::array<uint8_t, 64> out;
    stun::Builder answer(out, stun::Class::success, stun::Method::binding, view->transaction_id());
    answer.fingerprint();
    s.send(answer.message(), from);
  });
}

struct Phone {
  Socket socket;
  bool confirmed = false;
  int echoes = 0;

  void round(uint16_t relay) {
    socket.drain(
        [&](Bytes b, const sockaddr_in&) { stun::View::parse(b) ? confirmed = true : (++echoes, true); });
    const std::array<uint8_t, 60> media{0x80, 111};
    confirmed ? socket.send(media, relay) : socket.send(check("othersAB", "phone", "whatever"), relay);
  }
};

class World {
 public:
  World() {
    const char* const listen[] = {"127.0.0.1:0"};
    const char* const relay[] = {"127.0.0.1"};
    sluice_config c;
    sluice_config_init(&c);
    c.listen = listen;
    c.listen_count = 1;
    c.shards = kShards;
    c.io = SLUICE_IO_MMSG;
    c.max_sessions = 64;
    c.relay_address = relay;
    c.relay_address_count = 1;
    c.relay_ports = "20048-21071";
    c.relay_port_mode = SLUICE_RELAY_PORTS_SOCKETS;
    c.max_flows = 1024;
    sluice_error err{};
    err.size = sizeof err;
    const sluice_code code = sluice_open(&c, &engine_, &err);
    REQUIRE_MESSAGE(code == SLUICE_OK, std::string(err.message));
    const std::string text = test::offer("offer-chromium156-agent.sdp");
    their_ufrag_ = line_of(text, "a=ice-ufrag:");
    accept(text);
    route("others", true);
  }
  ~World() { sluice_close(engine_); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void run() {
    std::array<Phone, kPhones> phones;
    std::array<Socket, kChecks> checkers;  // one client, from wherever: most arrive at another shard
    std::array<int, kChecks> answered{};
    const auto done = [&] {
      return std::ranges::all_of(phones, [](const Phone& p) { return p.echoes >= kEchoes; }) &&
             std::ranges::all_of(answered, [](int n) { return n >= 2; });
    };
    int rounds = 0;
    for (; !done() && rounds < kMostRounds; ++rounds) {
      for (Phone& p : phones) p.round(port_);
      for (size_t i = 0; i < checkers.size(); ++i) {
        checkers[i].drain([&](Bytes, const sockaddr_in&) { ++answered[i]; });
        checkers[i].send(check(ufrag_, their_ufrag_, password_), port_);
      }
      pollfd waits{server_.fd(), POLLIN, 0};
      poll(&waits, 1, 5);
      serve(server_);
      change(rounds);
    }
    CHECK(rounds < kMostRounds);
    for (const Phone& p : phones) CHECK(p.confirmed);
  }

  sluice_relay_stats stats() {
    sluice_relay_stats s{};
    s.size = sizeof s;
    sluice_get_relay_stats(engine_, &s);
    return s;
  }

 private:
  void accept(const std::string& text) {
    std::string answer(65'536, '\0');
    size_t len = 0;
    sluice_accept_request r{};
    r.size = sizeof r;
    r.role = SLUICE_AGENT;
    r.name = "echo";
    r.offer = text.data();
    r.offer_len = text.size();
    sluice_accepted out{};
    out.size = sizeof out;
    REQUIRE(sluice_accept(engine_, &r, answer.data(), answer.size(), &len, &out, nullptr) == SLUICE_OK);
    answer.resize(len);
    ufrag_ = line_of(answer, "a=ice-ufrag:");
    password_ = line_of(answer, "a=ice-pwd:");
    port_ = static_cast<uint16_t>(std::stoi(line_of(answer, " 127.0.0.1 ")));
  }
  void route(const char* ufrag, bool there) {
    const std::string to = server_.text();
    sluice_route r{};
    r.size = sizeof r;
    r.ufrag = ufrag;
    r.prefix = 1;
    r.server = to.c_str();
    if (there)
      CHECK(sluice_put_routes(engine_, &r, 1, nullptr) == SLUICE_OK);
    else
      CHECK(sluice_remove_routes(engine_, &r, 1, nullptr, nullptr) == SLUICE_OK);
  }
  /// What the control thread does meanwhile.
  void change(int round) {
    const std::string name = "elsewhere" + std::to_string(round % 7);
    route(name.c_str(), round % 2 == 0);
    sluice_server s{};
    s.size = sizeof s;
    s.id = round % 3 == 0 ? "7" : "0.8";
    s.address = round % 2 == 0 ? "127.0.0.1:9" : "127.0.0.2:9";
    if (round % 5 == 4)
      sluice_remove_server(engine_, s.id, nullptr);
    else
      CHECK(sluice_put_server(engine_, &s, nullptr) == SLUICE_OK);
    std::array<sluice_server_stats, 8> servers;
    servers[0].size = sizeof servers[0];
    sluice_servers(engine_, servers.data(), servers.size());
    stats();
    std::array<sluice_event, 8> events;
    while (sluice_poll_events(engine_, events.data(), events.size()) > 0) {
    }
  }

  Socket server_;
  sluice_engine* engine_ = nullptr;
  std::string ufrag_, password_, their_ufrag_;
  uint16_t port_ = 0;
};

}  // namespace

TEST_CASE(
    "four shards relay and end calls at once while servers, routes and figures are asked for and changed") {
  World w;
  w.run();
  CHECK(w.stats().relay == 1);
}
