/* The relay tier's calls: servers, routes, credentials and descriptions on their way through. */
#include <stdio.h>
#include <string.h>

#include "tests/capi/check.h"

static const char kKey[] = "0123456789abcdef0123456789abcdef\n";
static const char kSdp[] =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nt=0 0\r\nm=audio 40000 UDP/TLS/RTP/SAVPF 111\r\n"
    "c=IN IP4 192.0.2.7\r\na=candidate:1 1 udp 2130706431 192.0.2.7 40000 typ host\r\n"
    "a=ice-ufrag:srvU\r\na=ice-pwd:0123456789012345678901\r\na=rtpmap:111 opus/48000/2\r\n";

static sluice_error fresh_error(void) {
  sluice_error err;
  memset(&err, 0, sizeof err);
  err.size = sizeof err;
  return err;
}

static sluice_server server(const char* id, const char* address) {
  const sluice_server s = {.size = sizeof s, .id = id, .address = address, .trunk = 0};
  return s;
}

static sluice_route route(const char* ufrag, const char* target) {
  const sluice_route r = {.size = sizeof r, .ufrag = ufrag, .prefix = 0, .server = target, .ttl_s = 60};
  return r;
}

static sluice_relay_stats relay_stats(sluice_engine* engine) {
  sluice_relay_stats s;
  memset(&s, 0, sizeof s);
  s.size = sizeof s;
  sluice_get_relay_stats(engine, &s);
  return s;
}

static void refuse_server(sluice_engine* engine, const char* id, const char* address, const char* field) {
  const sluice_server s = server(id, address);
  sluice_error err = fresh_error();
  CHECK(sluice_put_server(engine, &s, &err) == SLUICE_E_INVALID);
  CHECK(strcmp(err.field, field) == 0 && err.message[0] != 0 && err.fix[0] != 0);
}

static void servers(void) {
  const sluice_config config = test_config(SLUICE_IO_AUTO);
  sluice_engine* engine = open_engine(&config);
  REQUIRE(engine != NULL);
  const sluice_server seven = server("7", "192.0.2.7:3478");
  const sluice_server far = server("2.7", "[2001:db8::7]:3478");
  CHECK(sluice_put_server(engine, &seven, NULL) == SLUICE_OK);
  CHECK(sluice_put_server(engine, &far, NULL) == SLUICE_OK);
  sluice_server_stats list[3];
  memset(list, 0, sizeof list);
  for (int i = 0; i < 3; ++i) list[i].size = sizeof list[i];
  CHECK(sluice_servers(engine, NULL, 0) == 2);
  CHECK(sluice_servers(engine, list, 3) == 2);
  CHECK(strcmp(list[0].id, "7") == 0 && strcmp(list[0].address, "192.0.2.7:3478") == 0 && !list[0].trunk);
  CHECK(strcmp(list[1].id, "2.7") == 0 && strcmp(list[1].address, "[2001:db8::7]:3478") == 0);
  refuse_server(engine, "x", "192.0.2.7:3478", "id");
  refuse_server(engine, "1", "192.0.2.7:3478", "id");
  refuse_server(engine, NULL, "192.0.2.7:3478", "id");
  refuse_server(engine, "8", "192.0.2.7:0", "address");
  refuse_server(engine, "8", NULL, "address");
  CHECK(sluice_remove_server(engine, "7", NULL) == SLUICE_OK);
  CHECK(sluice_remove_server(engine, "7", NULL) == SLUICE_E_NOT_FOUND);
  CHECK(sluice_remove_server(engine, "64.0", NULL) == SLUICE_E_INVALID);
  CHECK(sluice_servers(engine, NULL, 0) == 1);
  sluice_close(engine);
}

static void routes(void) {
  const sluice_config config = test_config(SLUICE_IO_AUTO);
  sluice_engine* engine = open_engine(&config);
  REQUIRE(engine != NULL);
  sluice_route list[3] = {route("abcd", "192.0.2.7:1"), route("efgh", "192.0.2.8:1"),
                          route("ab", "192.0.2.9:1")};
  list[2].prefix = 1;
  CHECK(sluice_put_routes(engine, list, 3, NULL) == SLUICE_OK);
  CHECK(relay_stats(engine).routes == 3);
  sluice_route more[2] = {route("ijkl", "192.0.2.7:1"), route("abcd", "192.0.2.8:1")};
  sluice_error err = fresh_error();
  CHECK(sluice_put_routes(engine, more, 2, &err) == SLUICE_E_CONFLICT);
  CHECK(strcmp(err.field, "routes[1].ufrag") == 0);
  CHECK(relay_stats(engine).routes == 3);
  more[1] = route("mnop", "192.0.2.8");
  CHECK(sluice_put_routes(engine, more, 2, &err) == SLUICE_E_INVALID);
  CHECK(strcmp(err.field, "routes[1].server") == 0);
  size_t removed = 0;
  CHECK(sluice_remove_routes(engine, list, 3, &removed, NULL) == SLUICE_OK && removed == 3);
  CHECK(sluice_remove_routes(engine, list, 3, NULL, NULL) == SLUICE_OK);
  CHECK(relay_stats(engine).routes == 0);
  CHECK(sluice_put_routes(engine, NULL, 0, NULL) == SLUICE_OK);
  sluice_close(engine);
}

static void small_routes(void) {
  const sluice_config config = test_config(SLUICE_IO_AUTO);
  sluice_engine* engine = open_engine(&config);
  REQUIRE(engine != NULL);
  /* Of an older library, without a lifetime: elements lie closer together. */
  enum { kOld = offsetof(sluice_route, ttl_s) };
  _Alignas(sluice_route) unsigned char bytes[2 * kOld];
  for (int i = 0; i < 2; ++i) {
    sluice_route r = route(i == 0 ? "abcd" : "efgh", "192.0.2.7:1");
    r.size = kOld;
    memcpy(bytes + i * kOld, &r, kOld);
  }
  CHECK(sluice_put_routes(engine, (const sluice_route*)bytes, 2, NULL) == SLUICE_OK);
  CHECK(relay_stats(engine).routes == 2);
  sluice_close(engine);
}

static void credentials(void) {
  sluice_config config = test_config(SLUICE_IO_AUTO);
  config.route_key = kKey;
  config.ice_key = kKey;
  config.turn_secret = kKey;
  sluice_engine* engine = open_engine(&config);
  REQUIRE(engine != NULL);
  sluice_minted minted;
  memset(&minted, 0, sizeof minted);
  minted.size = sizeof minted;
  CHECK(sluice_mint_ufrag(engine, "3.7", 60, &minted, NULL) == SLUICE_OK);
  CHECK(strlen(minted.ufrag) == 24 && strlen(minted.password) == 32);
  CHECK(sluice_mint_ufrag(engine, "3.7", 0, &minted, NULL) == SLUICE_E_INVALID);
  CHECK(sluice_mint_ufrag(engine, "", 60, &minted, NULL) == SLUICE_E_INVALID);
  sluice_turn_login login;
  memset(&login, 0, sizeof login);
  login.size = sizeof login;
  CHECK(sluice_turn_credential(engine, "alice", 60, &login, NULL) == SLUICE_OK);
  CHECK(strstr(login.username, ":alice") != NULL && strlen(login.password) == 28);
  CHECK(sluice_turn_credential(engine, "a:b", 60, &login, NULL) == SLUICE_E_INVALID);
  CHECK(sluice_turn_credential(engine, NULL, 60, &login, NULL) == SLUICE_E_INVALID);
  char uris[4][96];
  CHECK(sluice_turn_uris(engine, uris, 4) == 2);
  CHECK(strncmp(uris[0], "turn:127.0.0.1:", 15) == 0 && strstr(uris[0], "?transport=udp") != NULL);
  const sluice_relay_stats s = relay_stats(engine);
  CHECK(s.tier == SLUICE_TIER_BOTH && s.relay && s.turn && !s.trunk);
  sluice_close(engine);
}

static void descriptions(void) {
  const sluice_config config = test_config(SLUICE_IO_AUTO);
  sluice_engine* engine = open_engine(&config);
  REQUIRE(engine != NULL);
  sluice_sdp_request request;
  memset(&request, 0, sizeof request);
  request.size = sizeof request;
  request.sdp = kSdp;
  request.sdp_len = strlen(kSdp);
  request.direction = SLUICE_TO_CLIENT;
  request.server = "192.0.2.7:40000";
  char out[4096];
  size_t len = 0;
  static sluice_sdp_result result;
  result.size = sizeof result;
  CHECK(sluice_rewrite_sdp(engine, &request, out, 32, &len, &result, NULL) == SLUICE_E_BUFFER);
  CHECK(len > 32 && relay_stats(engine).routes == 0);
  CHECK(sluice_rewrite_sdp(engine, &request, out, sizeof out, &len, &result, NULL) == SLUICE_OK);
  CHECK(len == strlen(out) && strstr(out, " 127.0.0.1 ") != NULL && strstr(out, "192.0.2.7 40000") == NULL);
  CHECK(result.ufrag_count == 1 && strcmp(result.ufrag[0], "srvU") == 0);
  CHECK(relay_stats(engine).routes == 1);
  request.server = "192.0.2.8:40000";
  CHECK(sluice_rewrite_sdp(engine, &request, out, sizeof out, &len, &result, NULL) == SLUICE_E_CONFLICT);
  request.server = NULL;
  request.direction = SLUICE_TO_SERVER;
  CHECK(sluice_rewrite_sdp(engine, &request, out, sizeof out, &len, &result, NULL) == SLUICE_OK);
  CHECK(strstr(out, "a=candidate") == NULL && strstr(out, "m=audio 9 ") != NULL);
  sluice_close(engine);
}

static void refuse_relay_config(const sluice_config* config, const char* field) {
  sluice_engine* engine = NULL;
  sluice_error err = fresh_error();
  CHECK(sluice_open(config, &engine, &err) == SLUICE_E_INVALID);
  if (strcmp(err.field, field) != 0) printf("%s instead of %s: %s\n", err.field, field, err.message);
  CHECK(engine == NULL && strcmp(err.field, field) == 0 && err.message[0] != 0 && err.fix[0] != 0);
  sluice_close(engine);
}

static void configurations(void) {
  static const char* const twice[] = {"7=192.0.2.7:1", "7=192.0.2.8:1"};
  static const char* const trunk[] = {"7=192.0.2.7:1,trunk"};
  static const char* const users[] = {"alice:secret", "bob"};
  static const char* const peers[] = {"10.0.0.1/8"};
  static const char* const listens = "127.0.0.1:20050";
  static const char* const loopback = "127.0.0.1";
  sluice_config c = test_config(SLUICE_IO_AUTO);
  c.node = "16384";
  refuse_relay_config(&c, "node");
  c = test_config(SLUICE_IO_AUTO);
  c.server = twice;
  c.server_count = 2;
  refuse_relay_config(&c, "server[1]");
  c.server = trunk;
  c.server_count = 1;
  refuse_relay_config(&c, "server[0]");
  c.tier = SLUICE_TIER_MEDIA;
  refuse_relay_config(&c, "server[0]");
  c = test_config(SLUICE_IO_AUTO);
  c.route_key = "short";
  refuse_relay_config(&c, "route_key");
  c.route_key = kKey;
  c.ice_key = "3:0123456789abcdef";
  refuse_relay_config(&c, "ice_key");
  c.ice_key = kKey;
  c.tier = SLUICE_TIER_RELAY;
  refuse_relay_config(&c, "ice_key");
  c = test_config(SLUICE_IO_AUTO);
  c.trunk = "127.0.0.1:0";
  refuse_relay_config(&c, "trunk");
  c = test_config(SLUICE_IO_AUTO);
  c.max_flows = 0;
  refuse_relay_config(&c, "max_flows");
  c = test_config(SLUICE_IO_AUTO);
  /* io_uring and frames do not go together. */
  c.receive = SLUICE_RECEIVE_FRAMES;
  c.io = SLUICE_IO_URING;
  refuse_relay_config(&c, "receive");
  c.io = SLUICE_IO_AUTO;
  c.receive = SLUICE_RECEIVE_SOCKETS;
  c.relay_ports = "80-90";
  refuse_relay_config(&c, "relay_ports");
  /* One block of 64 ports, and two shards. */
  c.relay_address = &loopback;
  c.relay_address_count = 1;
  c.relay_ports = "20032-20063";
  c.shards = 2;
  refuse_relay_config(&c, "relay_ports");
  c = test_config(SLUICE_IO_AUTO);
  c.listen = &listens;
  c.listen_count = 1;
  c.relay_address = &loopback;
  c.relay_address_count = 1;
  c.relay_ports = "20048-21071";
  refuse_relay_config(&c, "relay_ports");
  c = test_config(SLUICE_IO_AUTO);
  c.turn_user = users;
  c.turn_user_count = 2;
  refuse_relay_config(&c, "turn_user[1]");
  c.turn_user_count = 1;
  c.turn_allow_peer = peers;
  c.turn_allow_peer_count = 1;
  refuse_relay_config(&c, "turn_allow_peer[0]");
}

const test_case relay_cases[] = {
    {"servers are put, listed and removed", servers},
    {"routes are installed all or none, and removed", routes},
    {"routes of an older caller lie closer together", small_routes},
    {"ufrags and TURN credentials are made for others", credentials},
    {"a description gets the relay's address and a route, or nothing happens", descriptions},
    {"a wrong relay configuration is named", configurations},
    {NULL, NULL},
};
