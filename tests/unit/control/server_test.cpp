// The HTTP server on real sockets: framing, limits, timeouts, TLS and event streams.
#include "engine/control/http/server.h"

#include <fstream>
#include <thread>

#include <doctest/doctest.h>

#include "tests/support/self_signed.h"
#include "tests/unit/control/live_engine.h"
#include "tests/unit/control/wire_client.h"
#include "tools/sluice/client.h"

using namespace sluice;
using namespace sluice::http;
using test::SelfSigned;
using test::WireClient;

namespace {

ServerOptions on_loopback() {
  ServerOptions o;
  o.listen = *parse_endpoint("127.0.0.1:0");
  return o;
}

/// A server on its own thread for as long as the object lives.
class Running {
 public:
  explicit Running(const ServerOptions& options = on_loopback()) : service_(engine_.get(), {}) {
    auto server = Server::open(engine_.get(), service_, options, {});
    REQUIRE_MESSAGE(server.has_value(), (server ? "" : server.error()));
    server_ = std::move(*server);
    thread_ = std::thread([this] { server_->run(); });
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    server_->stop();
    thread_.join();
  }
  Endpoint at() const { return server_->local(); }

 private:
  test::LiveEngine engine_;
  Service service_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

std::string get(std::string_view target, std::string_view more = {}) {
  return std::string("GET ")
      .append(target)
      .append(" HTTP/1.1\r\nHost: localhost\r\n")
      .append(more)
      .append("\r\n");
}

unsigned status_of(const Running& server, const std::string& text) {
  WireClient client(server.at());
  client.send(text);
  return client.reply().status;
}

ServerOptions with_tls(const SelfSigned& pair) {
  ServerOptions o = on_loopback();
  o.cert_file = pair.cert();
  o.key_file = pair.key();
  return o;
}

}  // namespace

TEST_CASE("a connection serves many requests, also those sent before the answer") {
  const Running server;
  WireClient client(server.at());
  client.send(get("/healthz") + get("/readyz") + get("/none.js"));
  CHECK(client.reply().body == "ok\n");
  CHECK(client.reply().body == "ready\n");
  CHECK(client.reply().status == 404);
  client.send(get("/healthz", "Connection: close\r\n"));
  const auto last = client.reply();
  CHECK(last.status == 200);
  CHECK(last.head.find("Connection: close") != std::string::npos);
  CHECK(client.closed());
}

TEST_CASE("HEAD has the head of GET and nothing else") {
  const Running server;
  WireClient client(server.at());
  client.send("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/healthz"));
  const std::string head = client.until("\r\n\r\n");
  CHECK(head.find("Content-Length: 3") != std::string::npos);
  CHECK(client.until("\r\n").starts_with("HTTP/1.1 200"));
}

TEST_CASE("what is no HTTP/1.1 is answered once and cut off") {
  const Running server;
  const std::pair<std::string, unsigned> cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {std::string("GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n", 37), 400},
      {"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", 505},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421},
      {"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 421},
      {"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200}};
  for (const auto& [text, status] : cases) CHECK_MESSAGE(status_of(server, text) == status, text);
  CHECK(status_of(server, get("/healthz")) == 200);
}

TEST_CASE("too much is refused with a status that the client still reads") {
  const Running server;
  CHECK(status_of(server, get("/", "X: " + std::string(20'000, 'x') + "\r\n")) == 431);
  const std::string post = "POST /whip/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n";
  CHECK(status_of(server, post + "Content-Length: 65537\r\n\r\n" + std::string(65537, 'x')) == 413);
  CHECK(status_of(server, post + "Content-Length: 9999999999\r\n\r\n") == 413);
  std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) chunked += "1000\r\n" + std::string(4096, 'x') + "\r\n";
  CHECK(status_of(server, chunked + "0\r\n\r\n") == 413);
  CHECK(status_of(server, post + "Content-Length: 65536\r\n\r\n" + std::string(65536, 'x')) == 400);
}

TEST_CASE("who asks before sending a body is told to go on") {
  const Running server;
  WireClient client(server.at());
  client.send(
      "POST /agent/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n"
      "Expect: 100-continue\r\n\r\n");
  CHECK(client.until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("v=0\n");
  CHECK(client.reply().status == 400);
}

TEST_CASE("who stops in the middle of a request is cut off") {
  ServerOptions options = on_loopback();
  options.header_timeout_s = 1;
  options.body_timeout_s = 1;
  options.idle_timeout_s = 1;
  const Running server(options);
  WireClient head(server.at()), body(server.at()), idle(server.at());
  head.send("GET / HTTP/1.1\r\nHost: local");
  body.send("POST /agent/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nv=0");
  CHECK(head.closed());
  CHECK(body.closed());
  CHECK(idle.closed());
  CHECK(status_of(server, get("/healthz")) == 200);
}

TEST_CASE("connections are bounded and become free again") {
  ServerOptions options = on_loopback();
  options.max_connections = 2;
  const Running server(options);
  {
    WireClient a(server.at()), b(server.at());
    a.send(get("/healthz"));
    b.send(get("/healthz"));
    CHECK(a.reply().status == 200);
    CHECK(b.reply().status == 200);
    WireClient c(server.at());
    CHECK(c.reply().status == 503);
    a.send(get("/healthz", "Connection: close\r\n"));
    CHECK(a.reply().status == 200);
  }
  unsigned status = 0;
  for (int tries = 0; tries < 1000 && status != 200; ++tries) status = status_of(server, get("/healthz"));
  CHECK(status == 200);
}

TEST_CASE("an offer over the wire makes an event for whoever listens") {
  const Running server;
  WireClient listener(server.at());
  listener.send(get("/v1/events"));
  const std::string head = listener.until("\r\n\r\n");
  CHECK(head.find("Content-Type: text/event-stream") != std::string::npos);
  CHECK(head.find("Content-Length") == std::string::npos);
  const std::string offer = test::publisher_offer();
  WireClient publisher(server.at());
  publisher.send(
      "POST /whip/stage HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\nContent-Length: " +
      std::to_string(offer.size()) + "\r\n\r\n" + offer);
  CHECK(publisher.reply().status == 201);
  const std::string event = listener.until("\"type\":\"created\"");
  CHECK(event.find("event: session") != std::string::npos);
}

TEST_CASE("HTTPS serves the same, and plain HTTP is not understood there") {
  const SelfSigned pair;
  const Running server(with_tls(pair));
  ClientOptions options;
  options.url = "https://127.0.0.1:" + std::to_string(server.at().port);
  CHECK_FALSE(request(options, "GET", "/healthz").has_value());
  options.insecure = true;
  const auto reply = request(options, "GET", "/healthz");
  REQUIRE_MESSAGE(reply.has_value(), (reply ? "" : reply.error()));
  CHECK(reply->status == 200);
  CHECK(reply->body == "ok\n");
  WireClient plain(server.at());
  plain.send(get("/healthz"));
  CHECK(plain.until("HTTP/1.1").find("HTTP/1.1") == std::string::npos);
}

TEST_CASE("what keeps a server from starting is said in one line") {
  test::LiveEngine engine;
  Service service(engine.get(), {});
  const auto error = [&](const ServerOptions& o) {
    const auto server = Server::open(engine.get(), service, o, {});
    REQUIRE_FALSE(server.has_value());
    CHECK(server.error().find('\n') == std::string::npos);
    return server.error();
  };
  const Running other;
  ServerOptions taken = on_loopback();
  taken.listen = other.at();
  CHECK(error(taken).find("Address already in use") != std::string::npos);
  const SelfSigned pair;
  ServerOptions no_cert = with_tls(pair);
  no_cert.cert_file = "/nonexistent/cert.pem";
  CHECK(error(no_cert).find("/nonexistent/cert.pem") != std::string::npos);
  const SelfSigned another;
  ServerOptions wrong_key = with_tls(pair);
  wrong_key.key_file = another.folder / "key.pem";
  CHECK(error(wrong_key).find("key.pem") != std::string::npos);
}
