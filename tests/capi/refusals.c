/* What the API refuses, with which code and field, and that nothing is left behind. */
#include <stdio.h>
#include <string.h>

#include "tests/capi/check.h"
#include "tests/capi/client.h"

static void refuse_config(const sluice_config* config, const char* field) {
  sluice_engine* engine = (sluice_engine*)(void*)&engine;
  sluice_error err;
  memset(&err, 0, sizeof err);
  err.size = sizeof err;
  const sluice_code code = sluice_open(config, &engine, &err);
  if (code != SLUICE_E_INVALID || strcmp(err.field, field) != 0)
    printf("%d, field \"%s\" instead of \"%s\": %s\n", (int)code, err.field, field, err.message);
  CHECK(code == SLUICE_E_INVALID && err.code == SLUICE_E_INVALID);
  CHECK(strcmp(err.field, field) == 0);
  CHECK(err.message[0] != 0);
  CHECK(strchr(err.message, '\n') == NULL && strchr(err.fix, '\n') == NULL);
  CHECK(engine == NULL);
  if (engine != NULL && code == SLUICE_OK) sluice_close(engine);
}

static void addresses(void) {
  static const char* const bad[] = {"",      "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "localhost:1",
                                    ":3478", "[::1:3478", "1.2.3:4"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
    const char* const listen[] = {"127.0.0.1:0", bad[i]};
    sluice_config config = test_config(SLUICE_IO_AUTO);
    config.listen = listen;
    config.listen_count = 2;
    refuse_config(&config, "listen[1]");
  }
  static const char* const public_address[] = {"192.0.2.1:443", "192.0.2.1:0"};
  sluice_config config = test_config(SLUICE_IO_AUTO);
  config.public_address = public_address;
  config.public_address_count = 2;
  refuse_config(&config, "public_address[1]");
}

static void ranges(void) {
  sluice_config config = test_config(SLUICE_IO_AUTO);
  config.shards = 65;
  refuse_config(&config, "shards");
  config = test_config(SLUICE_IO_AUTO);
  config.max_sessions = 0;
  refuse_config(&config, "max_sessions");
  config.max_sessions = 65537;
  refuse_config(&config, "max_sessions");
  config = test_config(SLUICE_IO_AUTO);
  config.max_rooms = 65537;
  refuse_config(&config, "max_rooms");
  config = test_config(SLUICE_IO_AUTO);
  config.echo_delay_ms = 2001;
  refuse_config(&config, "echo_delay_ms");
  config = test_config(SLUICE_IO_AUTO);
  config.cores = "0-";
  refuse_config(&config, "cores");
  config = test_config(SLUICE_IO_AUTO);
  config.dtls_cert_file = "cert.pem";
  refuse_config(&config, "dtls_key_file");
}

static void sizes(void) {
  sluice_config config = test_config(SLUICE_IO_AUTO);
  config.size = 0;
  refuse_config(&config, "size");
  config = test_config(SLUICE_IO_AUTO);
  sluice_engine* engine = open_engine(&config);
  REQUIRE(engine != NULL);
  sluice_accept_request request;
  sluice_accepted accepted;
  sluice_error err;
  char answer[64];
  size_t len = 0;
  memset(&request, 0, sizeof request);
  memset(&accepted, 0, sizeof accepted);
  memset(&err, 0, sizeof err);
  err.size = sizeof err;
  CHECK(sluice_accept(engine, &request, answer, sizeof answer, &len, &accepted, &err) == SLUICE_E_INVALID);
  CHECK(strcmp(err.field, "request.size") == 0 && err.fix[0] != 0);
  request.size = sizeof request;
  CHECK(sluice_accept(engine, &request, answer, sizeof answer, &len, &accepted, &err) == SLUICE_E_INVALID);
  CHECK(strcmp(err.field, "out.size") == 0);
  sluice_shard_stats shard;
  memset(&shard, 0, sizeof shard);
  CHECK(sluice_get_shard_stats(engine, 0, &shard) == SLUICE_E_INVALID);
  sluice_session_stats session;
  memset(&session, 0, sizeof session);
  CHECK(sluice_get_session_stats(engine, 1, &session) == SLUICE_E_INVALID);
  sluice_engine_stats totals;
  memset(&totals, 0, sizeof totals);
  sluice_get_engine_stats(engine, &totals);
  CHECK(totals.shards == 0);
  err.size = 0;
  err.message[0] = 0;
  CHECK(sluice_hangup(engine, 1, &err) == SLUICE_E_NOT_FOUND);
  CHECK(err.message[0] == 0);
  sluice_close(engine);
}

static void foreign_address(void) {
  static const char* const listen[] = {"192.0.2.77:0"};
  sluice_config config = test_config(SLUICE_IO_AUTO);
  config.listen = listen;
  sluice_engine* engine = NULL;
  sluice_error err;
  memset(&err, 0, sizeof err);
  err.size = sizeof err;
  CHECK(sluice_open(&config, &engine, &err) == SLUICE_E_IO);
  CHECK(engine == NULL && strcmp(err.field, "listen") == 0 && err.message[0] != 0);
  sluice_close(NULL);
}

static void refuse_offer(sluice_engine* engine, sluice_role role, const char* name, const char* offer,
                         sluice_code code) {
  accept_result r;
  const size_t before = sluice_sessions(engine, NULL, 0);
  accept_offer(engine, role, name, offer, sizeof r.answer, &r);
  if (r.code != code)
    printf("%d instead of %d: %s: %s\n", (int)r.code, (int)code, r.err.field, r.err.message);
  CHECK(r.code == code && r.err.code == code);
  CHECK(r.err.message[0] != 0);
  CHECK(r.accepted.session == 0 && r.answer_len == 0);
  CHECK(sluice_sessions(engine, NULL, 0) == before);
}

static void replace_all(const char* from, const char* what, const char* with, char* out, size_t cap) {
  size_t n = 0;
  while (*from != 0 && n + strlen(with) + 1 < cap) {
    if (strncmp(from, what, strlen(what)) == 0) {
      memcpy(out + n, with, strlen(with));
      n += strlen(with);
      from += strlen(what);
    } else {
      out[n++] = *from++;
    }
  }
  out[n] = 0;
}

static void offers(void) {
  sluice_config config = test_config(SLUICE_IO_AUTO);
  config.max_sessions = 2;
  sluice_engine* engine = open_engine(&config);
  call_client* client = client_new(1);
  REQUIRE(engine != NULL && client != NULL);
  const char* offer = client_offer(client);
  char other[4096];
  refuse_offer(engine, SLUICE_AGENT, "echo", "", SLUICE_E_INVALID);
  refuse_offer(engine, SLUICE_AGENT, "echo", "v=0\r\nnonsense\r\n", SLUICE_E_INVALID);
  replace_all(offer, "a=ice-pwd:", "a=ice-pwd:!", other, sizeof other);
  refuse_offer(engine, SLUICE_AGENT, "echo", other, SLUICE_E_INVALID);
  replace_all(offer, "opus/48000/2", "G722/8000", other, sizeof other);
  refuse_offer(engine, SLUICE_AGENT, "echo", other, SLUICE_E_UNSUPPORTED);
  refuse_offer(engine, SLUICE_AGENT, "nobody", offer, SLUICE_E_NOT_FOUND);
  refuse_offer(engine, SLUICE_PUBLISH, "no/room", offer, SLUICE_E_INVALID);
  refuse_offer(engine, SLUICE_PUBLISH, "", offer, SLUICE_E_INVALID);

  accept_result first;
  accept_offer(engine, SLUICE_PUBLISH, "room", offer, sizeof first.answer, &first);
  REQUIRE(first.code == SLUICE_OK);
  refuse_offer(engine, SLUICE_PUBLISH, "room", offer, SLUICE_E_CONFLICT);
  accept_result second;
  accept_offer(engine, SLUICE_PLAY, "room", offer, sizeof second.answer, &second);
  CHECK(second.code == SLUICE_OK);
  refuse_offer(engine, SLUICE_PLAY, "room", offer, SLUICE_E_LIMIT);
  CHECK(sluice_hangup(engine, second.accepted.session + 1, NULL) == SLUICE_E_NOT_FOUND);
  client_free(client);
  sluice_close(engine);
}

static void small_buffer(void) {
  const sluice_config config = test_config(SLUICE_IO_AUTO);
  sluice_engine* engine = open_engine(&config);
  call_client* client = client_new(1);
  REQUIRE(engine != NULL && client != NULL);
  accept_result r;
  accept_offer(engine, SLUICE_PUBLISH, "room", client_offer(client), 64, &r);
  CHECK(r.code == SLUICE_E_BUFFER && r.answer_len > 64);
  CHECK(sluice_sessions(engine, NULL, 0) == 0);
  CHECK(sluice_rooms(engine, NULL, 0) == 0);
  const size_t needed = r.answer_len;
  accept_offer(engine, SLUICE_PUBLISH, "room", client_offer(client), sizeof r.answer, &r);
  CHECK(r.code == SLUICE_OK);
  /* The length may differ by the digits of a session's number only. */
  CHECK(r.answer_len + 16 > needed && needed + 16 > r.answer_len);
  client_free(client);
  sluice_close(engine);
}

static sluice_code trickle(sluice_engine* engine, sluice_session session, uint32_t* generation,
                           const char* fragment, size_t cap, size_t* len) {
  char answer[4096];
  return sluice_trickle(engine, session, generation, fragment, strlen(fragment), answer, cap, len, NULL);
}

static void trickles(void) {
  static const char restart[] = "a=ice-ufrag:wxyz\r\na=ice-pwd:0123456789012345678901\r\n";
  static const char candidate[] =
      "a=ice-ufrag:wxyz\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
      "a=candidate:1 1 udp 2130706431 192.0.2.9 5000 typ host\r\n";
  const sluice_config config = test_config(SLUICE_IO_AUTO);
  sluice_engine* engine = open_engine(&config);
  call_client* client = client_new(1);
  REQUIRE(engine != NULL && client != NULL);
  accept_result r;
  accept_offer(engine, SLUICE_AGENT, "echo", client_offer(client), sizeof r.answer, &r);
  REQUIRE(r.code == SLUICE_OK);
  const sluice_session session = r.accepted.session;
  uint32_t generation = r.accepted.ice_generation;
  size_t len = 1;
  CHECK(trickle(engine, session + 1, &generation, restart, 4096, &len) == SLUICE_E_NOT_FOUND);
  CHECK(trickle(engine, session, &generation, "a=ice-ufrag:w\r\n", 4096, &len) == SLUICE_E_INVALID);
  CHECK(generation == r.accepted.ice_generation && len == 0);
  uint32_t stale = generation + 1;
  CHECK(trickle(engine, session, &stale, restart, 4096, &len) == SLUICE_E_STALE);
  CHECK(trickle(engine, session, &generation, restart, 8, &len) == SLUICE_E_BUFFER);
  CHECK(generation == r.accepted.ice_generation && len > 8);
  CHECK(trickle(engine, session, &generation, restart, 4096, &len) == SLUICE_OK);
  CHECK(generation == r.accepted.ice_generation + 1 && len > 0);
  stale = r.accepted.ice_generation;
  CHECK(trickle(engine, session, &stale, restart, 4096, &len) == SLUICE_E_STALE);
  uint32_t any = UINT32_MAX;
  CHECK(trickle(engine, session, &any, candidate, 4096, &len) == SLUICE_OK);
  CHECK(any == generation && len == 0);
  client_free(client);
  sluice_close(engine);
}

const test_case refusal_cases[] = {
    {"a malformed address is named by its place in the list", addresses},
    {"a number out of range is named", ranges},
    {"a struct that does not say its size is refused, or left alone", sizes},
    {"an address that cannot be bound is an I/O error and leaves no engine", foreign_address},
    {"an offer that cannot be served leaves no session", offers},
    {"an answer that does not fit leaves no session and no room", small_buffer},
    {"a fragment for another session, generation or size is refused and changes nothing", trickles},
    {NULL, NULL},
};
