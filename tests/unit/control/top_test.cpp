#include <sstream>

#include <doctest/doctest.h>

#include "tools/sluice/commands.h"
#include "tools/sluice/top_table.h"

using namespace sluice;

namespace {

constexpr const char* kEngine = R"({"version":"0.1.0","io":"mmsg","srtp":"openssl","draining":false})";
constexpr const char* kSessions = R"({"total":3,"sessions":[
 {"id":"3","role":"play","name":"stage","state":"connected","remote":"192.0.2.3:5","shard":1,"age_ms":5000,"rtt_ms":80,
  "drops":{"srtp_auth":2,"srtp_replay":3},
  "tracks":[{"direction":"out","bitrate_bps":32000,"fraction_lost":0.25,"jitter_ms":7,"level_dbov":null}]},
 {"id":"2","role":"publish","name":"stage","state":"connected","remote":"192.0.2.2:5","shard":0,
  "age_ms":65000,"rtt_ms":20,
  "drops":{},"tracks":[{"direction":"in","bitrate_bps":2500000,"fraction_lost":0,"jitter_ms":1.5,"level_dbov":-30}]},
 {"id":"1","role":"agent","name":"echo","state":"new","remote":null,"shard":0,
  "age_ms":7300000,"rtt_ms":null,"drops":{},"tracks":[]}]})";
constexpr const char* kShards =
    R"({"shards":[{"shard":0,"core":2,"io":"mmsg","sessions":2,"rx":{"packets":100,"bytes":1},
 "tx":{"packets":50,"bytes":1},"drops":{"miss":4},"kernel_drops":0,"pool_free":90,"pool_capacity":100,"cpu_ms":10}]})";

constexpr const char* kRelay =
    R"({"role":"both","relay":true,"flows":30,"max_flows":65536,"unconfirmed":1,"flows_created":40,"flows_expired":10,
 "up":{"packets":1000,"bytes":100000},"down":{"packets":2000,"bytes":200000},"routes":5,"max_routes":9,
 "ports_open":7,"turn_figures":{"allocations":12,"max_allocations":100,"created":30,
 "up":{"packets":10,"bytes":1000},"down":{"packets":20,"bytes":2000},"refused":{"401":5,"486":2}},
 "streams":{"max":64,"open":3,"open_tls":1,"accepted":9,"refused":{"full":1,"rate":2},"ended":{"peer":4,"tls":2}}})";
constexpr const char* kServers =
    R"({"servers":[{"id":"7","address":"192.0.2.7:1","trunk":true,"flows":10,"unconfirmed":0,"routes":0,
 "up":{"packets":400,"bytes":40000},"down":{"packets":500,"bytes":50000},"state":"up","rtt_us":1520},
 {"id":null,"address":"192.0.2.8:2","trunk":false,"flows":20,"unconfirmed":1,"routes":5,
 "up":{"packets":600,"bytes":60000},"down":{"packets":1500,"bytes":150000}}]})";

TopFrame frame() {
  auto f = parse_frame({kEngine, kSessions, kShards, "", ""});
  REQUIRE(f.has_value());
  return *f;
}

TopFrame relay_frame() {
  auto f = parse_frame({kEngine, kSessions, kShards, kRelay, kServers});
  REQUIRE(f.has_value());
  return *f;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::string order(std::string_view key) {
  auto sessions = frame().sessions;
  sort_sessions(sessions, key);
  std::string ids;
  for (const auto& s : sessions) ids += s.id;
  return ids;
}

}  // namespace

TEST_CASE("figures are taken from the documents of /v1") {
  const TopFrame f = frame();
  REQUIRE(f.sessions.size() == 3);
  CHECK(f.sessions[0].loss == 0.25);
  CHECK(f.sessions[0].drops == 5);
  CHECK(f.sessions[0].out_bps == 32000);
  CHECK(f.sessions[1].level_dbov == -30);
  CHECK_FALSE(f.sessions[2].rtt_ms.has_value());
  REQUIRE(f.shards.size() == 1);
  CHECK(f.shards[0].rx_packets == 100);
  CHECK(f.shards[0].drops == 4);
}

TEST_CASE("documents that are none are named") {
  CHECK(parse_frame({"", kSessions, kShards, "", ""}).error().find("/v1/engine") == 0);
  CHECK(parse_frame({kEngine, "[]", kShards, "", ""}).error().find("/v1/sessions") == 0);
  CHECK(parse_frame({kEngine, kSessions, "{\"shards\":7}", "", ""}).error().find("/v1/shards") == 0);
  CHECK(parse_frame({"{}", "{\"sessions\":[7,{\"tracks\":[7]}]}", "{\"shards\":[]}", "[]", "{\"servers\":7}"})
            .has_value());
}

TEST_CASE("servers are listed busiest first, with rates between two rounds") {
  const TopFrame before = relay_frame();
  TopFrame now = relay_frame();
  now.relay.servers[0].up_packets += 100;
  now.relay.servers[0].down_bytes += 125'000;
  TopView view{.width = 200, .height = 0, .before = &before, .seconds = 2};
  const auto text = lines(render_top(now, view));
  const auto at = [&](std::string_view what) {
    for (size_t i = 0; i < text.size(); ++i)
      if (text[i].find(what) != std::string::npos) return i;
    FAIL(what);
    return size_t{0};
  };
  CHECK(at("192.0.2.8:2") < at("192.0.2.7:1"));
  CHECK(text[at("192.0.2.7:1")].find("trunk 1.5 ms") != std::string::npos);
  CHECK(text[at("192.0.2.7:1")].find(" 50 ") != std::string::npos);
  CHECK(text[at("192.0.2.7:1")].find("500k") != std::string::npos);
  CHECK(text[at("created 40")].find("routes 5 of 9") != std::string::npos);
}

TEST_CASE("servers leave room for sessions on a small terminal") {
  const TopFrame f = relay_frame();
  TopView view{.width = 120, .height = 10};
  CHECK(render_top(f, view).find("SERVER") == std::string::npos);
  view.height = 24;
  const std::string text = render_top(f, view);
  CHECK(text.find("SERVER") != std::string::npos);
  CHECK(text.find("stage") != std::string::npos);
  CHECK(lines(text).size() <= 24);
}

TEST_CASE("TURN is one line, with its rates") {
  const TopFrame before = relay_frame();
  TopFrame now = relay_frame();
  now.turn.up_packets += 100;
  const std::string text = render_top(now, {.width = 200, .height = 0, .before = &before, .seconds = 2});
  CHECK(text.find("TURN 12 of 100 allocations, made 30, refused 7 (401: 5, quota: 2), up 50/s") !=
        std::string::npos);
  CHECK(render_top(frame(), {}).find("TURN") == std::string::npos);
}

TEST_CASE("allocations are listed, those that carried most first, within the terminal's height") {
  TopFrame now = relay_frame();
  add_allocations(now, "no document");
  add_allocations(now,
                  R"({"total":12,"next":"2","allocations":[7,{"id":"1","user":"bob","client":"192.0.2.x:5",
    "transport":"udp","relayed":["192.0.2.1:50000"],"lifetime_s":599,
    "up":{"packets":10,"bytes":1000},"down":{"packets":5,"bytes":500}},
    {"id":"2","user":"al\u001bice","client":"192.0.2.x:6","transport":"tls","relayed":["192.0.2.1:50001","[::1]:2"],
    "lifetime_s":60,"up":{"packets":20,"bytes":2000},"down":{"packets":0,"bytes":0}}]})");
  REQUIRE(now.turn.list.size() == 2);
  TopFrame before = now;
  now.turn.list[1].up_packets += 100;
  now.turn.list[1].up_bytes += 125'000;
  const TopView view{.width = 200, .height = 0, .before = &before, .seconds = 2};
  const std::string text = render_top(now, view);
  CHECK(text.find("al?ice") < text.find("bob"));
  CHECK(text.find("tls  192.0.2.1:50001+              1m00       50        0     500k       0k") !=
        std::string::npos);
  CHECK(text.find("udp  192.0.2.1:50000               9m59") != std::string::npos);
  CHECK(text.find("... and 10 more") != std::string::npos);
  for (size_t height = 1; height < 40; ++height) {
    const auto small = lines(render_top(now, {.width = 120, .height = height}));
    CHECK(small.size() <= height);
  }
  CHECK(render_top(now, {.width = 120, .height = 10}).find("RELAYED") == std::string::npos);
  CHECK(render_top(relay_frame(), {}).find("RELAYED") == std::string::npos);
  now.relay.alone = true;
  CHECK(render_top(now, {.width = 120, .height = 20}).find("bob") != std::string::npos);
}

TEST_CASE("TCP and TLS connections are one line, once there has been any") {
  TopFrame f = relay_frame();
  CHECK(
      render_top(f, {}).find("TCP 3 of 64 connections open (1 TLS), accepted 9, refused 3, TLS failures 2") !=
      std::string::npos);
  f.streams = {.max = 64};
  CHECK(render_top(f, {}).find("TCP") == std::string::npos);
}

TEST_CASE("media past the trunk is one line, where it goes so") {
  CHECK(render_top(relay_frame(), {}).find("TRUNK:") == std::string::npos);
  const TopFrame f = *parse_frame(
      {kEngine, kSessions, kShards, R"({"role":"media","direct":{"packets":250,"bytes":40000}})", kServers});
  CHECK(render_top(f, {}).find("TRUNK: media past it, to clients directly: 250 packets, -/s - b/s") !=
        std::string::npos);
}

TEST_CASE("who relays nothing sees nothing of it") {
  TopFrame f = frame();
  CHECK(render_top(f, {}).find("SERVER") == std::string::npos);
  f.relay.on = true;
  CHECK(render_top(f, {}).find("SERVER") == std::string::npos);
}

TEST_CASE("a relay alone shows its servers and speaks of no sessions") {
  TopFrame f = relay_frame();
  f.relay.alone = true;
  f.sessions.clear();
  f.total = 0;
  const std::string text = render_top(f, {.width = 120, .height = 12});
  CHECK(text.find("sluice 0.1.0   relay   flows 30   io mmsg") == 0);
  CHECK(text.find("192.0.2.8:2") != std::string::npos);
  CHECK(text.find("SESSION ") == std::string::npos);
  CHECK(text.find("No sessions") == std::string::npos);
  CHECK(parse_frame({kEngine, kSessions, kShards, "{\"role\":\"relay\",\"relay\":true}", kServers})
            ->relay.alone);
}

TEST_CASE("sessions sort by what was asked for, worst first") {
  CHECK(order("age") == "123");
  CHECK(order("loss") == "312");
  CHECK(order("rtt") == "321");
  CHECK(order("rate") == "231");
  CHECK(order("drops") == "312");
  CHECK(order("name") == "123");
  CHECK(valid_sort("jitter"));
  CHECK_FALSE(valid_sort("colour"));
}

TEST_CASE("the table shows sessions and shards in columns") {
  TopView view;
  view.width = 200;
  const auto text = lines(render_top(frame(), view));
  REQUIRE(text.size() == 9);
  CHECK(text[0].find("sluice 0.1.0   sessions 3") == 0);
  CHECK(text[3].find("90/100") != std::string::npos);
  CHECK(text[5].find("LOSS %") != std::string::npos);
  CHECK(text[6].find("agent   echo") != std::string::npos);
  CHECK(text[7].find("publish stage") != std::string::npos);
  CHECK(text[7].find("2.5M") != std::string::npos);
  CHECK(text[7].find("1m05") != std::string::npos);
  CHECK(text[8].find("25.0") != std::string::npos);
  CHECK(text[5].size() == text[7].size());
}

TEST_CASE("rates need two rounds") {
  const TopFrame before = frame();
  TopFrame now = before;
  now.shards[0].rx_packets += 500;
  now.shards[0].cpu_ms += 500;
  TopView view;
  view.before = &before;
  view.seconds = 2;
  const auto text = lines(render_top(now, view));
  CHECK(text[3].find(" 250 ") != std::string::npos);
  CHECK(text[3].find("25.0") != std::string::npos);
}

TEST_CASE("a small terminal gets no line too many or too wide, and hears how many are missing") {
  TopFrame f = frame();
  for (int i = 0; i < 100; ++i) f.sessions.push_back(f.sessions[0]);
  f.total = f.sessions.size();
  for (size_t height = 1; height < 20; ++height) {
    TopView view;
    view.width = 40;
    view.height = height;
    const auto text = lines(render_top(f, view));
    CHECK(text.size() <= height);
    for (const auto& line : text) CHECK(line.size() <= 40);
    if (height >= 8) CHECK(text.back().find("more") != std::string::npos);
  }
}

TEST_CASE("what a terminal would obey is not printed") {
  TopFrame f = frame();
  f.sessions[0].name = "\x1b[2Jx\n";
  TopView view;
  const std::string text = render_top(f, view);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("?[2Jx?") != std::string::npos);
}

TEST_CASE("without sessions a newcomer is told what to do") {
  TopFrame f;
  CHECK(render_top(f, {}).find("/agent/echo") != std::string::npos);
}

TEST_CASE("addresses of daemons are parsed") {
  const auto u = parse_url("https://[::1]:8443/");
  REQUIRE(u.has_value());
  CHECK(u->tls);
  CHECK(u->host == "::1");
  CHECK(u->port == "8443");
  CHECK(parse_url("http://localhost")->port == "80");
  for (const char* bad : {"", "localhost:80", "http://a/b", "ftp://a", "http://"})
    CHECK_FALSE(parse_url(bad).has_value());
}

TEST_CASE("what is typed wrong is told with its flag and ends with 2, who cannot be reached with 1") {
  const auto wrong = [](const char* url, const char* token) {
    const ClientOptions client{.url = url, .admin_token = token, .insecure = false};
    const auto typed = check_typed(client);
    const int status = typed ? 1 : 2;
    CHECK(top({.client = client, .once = true, .sort = "age", .interval_ms = 1000}) == status);
    CHECK(drain({.client = client, .wait = false}) == status);
    return typed ? std::string() : typed.error();
  };
  CHECK(wrong("foo", "") == "--http: 'foo' is no address; write e.g. http://127.0.0.1:8080");
  CHECK(wrong("http://127.0.0.1:99999", "").starts_with("--http: "));
  const std::string literal = wrong("http://127.0.0.1:1", "hunter2");
  CHECK(literal.starts_with("--admin-token: takes @FILE"));
  CHECK(literal.find("hunter2") == std::string::npos);
  CHECK(wrong("http://127.0.0.1:1", "@").starts_with("--admin-token: names no file"));
  CHECK(wrong("http://127.0.0.1:1", "@/nonexistent/token").empty());
  CHECK(wrong("http://127.0.0.1:1", "").empty());
}

TEST_CASE("replies are complete or refused") {
  const auto r = parse_reply("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok");
  REQUIRE(r.has_value());
  CHECK(r->status == 202);
  CHECK(r->body == "ok");
  CHECK(parse_reply("HTTP/1.1 200 OK\r\n\r\nuntil the end")->body == "until the end");
  for (const char* bad : {"", "SSH-2.0", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 x\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"})
    CHECK_FALSE(parse_reply(bad).has_value());
}
