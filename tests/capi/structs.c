/* Structs that start with their size, and the tables of names. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tests/capi/check.h"
#include "tests/capi/client.h"

enum { kUntouched = 0xA5 };

/* Whether all bytes of `object` from `from` on are as they were filled. */
static int untouched(const void* object, size_t from, size_t size) {
  const unsigned char* bytes = object;
  for (size_t i = from; i < size; ++i)
    if (bytes[i] != kUntouched) return 0;
  return 1;
}

static void older_config(void) {
  sluice_config config;
  memset(&config, 0xff, sizeof config);
  const sluice_config full = test_config(SLUICE_IO_MMSG);
  const size_t known = offsetof(sluice_config, max_sessions);
  memcpy(&config, &full, known);
  config.size = known;
  sluice_engine* engine = open_engine(&config);
  REQUIRE(engine != NULL);
  sluice_close(engine);
}

static void older_error(void) {
  static const char* const listen[] = {"x"};
  sluice_config config = test_config(SLUICE_IO_AUTO);
  config.listen = listen;
  sluice_engine* engine = NULL;
  sluice_error err;
  memset(&err, kUntouched, sizeof err);
  err.size = offsetof(sluice_error, fix);
  CHECK(sluice_open(&config, &engine, &err) == SLUICE_E_INVALID);
  CHECK(err.size == offsetof(sluice_error, fix));
  CHECK(strcmp(err.field, "listen[0]") == 0);
  CHECK(untouched(&err, offsetof(sluice_error, fix), sizeof err));
  CHECK(sluice_open(&config, &engine, NULL) == SLUICE_E_INVALID);
}

static void older_request(sluice_engine* engine, const char* offer, sluice_session* session) {
  sluice_accept_request request;
  memset(&request, 0xff, sizeof request);
  request.size = offsetof(sluice_accept_request, takeover);
  request.role = SLUICE_PUBLISH;
  request.name = "room";
  request.offer = offer;
  request.offer_len = strlen(offer);
  sluice_accepted accepted;
  memset(&accepted, kUntouched, sizeof accepted);
  accepted.size = offsetof(sluice_accepted, ice_generation);
  char answer[8192];
  size_t len = 0;
  REQUIRE(sluice_accept(engine, &request, answer, sizeof answer, &len, &accepted, NULL) == SLUICE_OK);
  CHECK(untouched(&accepted, offsetof(sluice_accepted, ice_generation), sizeof accepted));
  *session = accepted.session;
  /* What lies behind the caller's size is not read either: this is no takeover. */
  CHECK(sluice_accept(engine, &request, answer, sizeof answer, &len, &accepted, NULL) == SLUICE_E_CONFLICT);
}

static void older_stats(sluice_engine* engine, sluice_session session) {
  sluice_session_stats s;
  memset(&s, kUntouched, sizeof s);
  s.size = offsetof(sluice_session_stats, rtt_ms);
  REQUIRE(sluice_get_session_stats(engine, session, &s) == SLUICE_OK);
  CHECK(s.size == offsetof(sluice_session_stats, rtt_ms));
  CHECK(s.session == session && strcmp(s.name, "room") == 0 && s.state == SLUICE_NEW);
  CHECK(untouched(&s, offsetof(sluice_session_stats, rtt_ms), sizeof s));

  sluice_shard_stats shard;
  memset(&shard, kUntouched, sizeof shard);
  shard.size = offsetof(sluice_shard_stats, rx_packets);
  CHECK(sluice_get_shard_stats(engine, 0, &shard) == SLUICE_OK);
  CHECK(shard.shard == 0 && strcmp(shard.io, "mmsg") == 0);
  CHECK(untouched(&shard, offsetof(sluice_shard_stats, rx_packets), sizeof shard));

  sluice_engine_stats e;
  memset(&e, kUntouched, sizeof e);
  e.size = offsetof(sluice_engine_stats, rooms);
  sluice_get_engine_stats(engine, &e);
  CHECK(e.shards == 1 && e.sessions_new == 1);
  CHECK(untouched(&e, offsetof(sluice_engine_stats, rooms), sizeof e));
}

static void older_callers(void) {
  const sluice_config config = test_config(SLUICE_IO_MMSG);
  sluice_engine* engine = open_engine(&config);
  call_client* client = client_new(1);
  REQUIRE(engine != NULL && client != NULL);
  sluice_session session = 0;
  older_request(engine, client_offer(client), &session);
  if (session != 0) older_stats(engine, session);
  client_free(client);
  sluice_close(engine);
}

static void names(void) {
  unsigned n = 0;
  while (sluice_drop_name(n) != NULL) {
    CHECK(sluice_drop_text(n) != NULL);
    ++n;
  }
  CHECK(n > 1 && n <= SLUICE_DROP_REASONS_MAX);
  CHECK(sluice_drop_text(n) == NULL);
  CHECK(strcmp(sluice_state_name(SLUICE_CONNECTED), "connected") == 0);
  CHECK(strcmp(sluice_state_name((sluice_state)77), "unknown") == 0);
  CHECK(strcmp(sluice_close_reason_name(SLUICE_CLOSE_CONSENT), "consent") == 0);
  CHECK(strcmp(sluice_close_reason_name((sluice_close_reason)77), "unknown") == 0);
  CHECK(strcmp(sluice_role_name(SLUICE_AGENT), "agent") == 0);
  CHECK(sluice_version()[0] != 0);
}

static void description(void) {
  const sluice_config config = test_config(SLUICE_IO_MMSG);
  sluice_engine* engine = open_engine(&config);
  REQUIRE(engine != NULL);
  char text[8192], cut[16];
  const size_t len = sluice_describe(engine, NULL, 0);
  REQUIRE(len > sizeof cut && len < sizeof text);
  memset(cut, kUntouched, sizeof cut);
  CHECK(sluice_describe(engine, cut, sizeof cut - 1) == len);
  CHECK(strlen(cut) == sizeof cut - 2 && untouched(cut, sizeof cut - 1, sizeof cut));
  CHECK(sluice_describe(engine, text, sizeof text) == len && strlen(text) == len);
  CHECK(strncmp(text, cut, strlen(cut)) == 0);
  sluice_close(engine);
}

const test_case struct_cases[] = {
    {"of an older caller's shorter config the rest is default", older_config},
    {"of an older caller's shorter error the bytes behind stay untouched", older_error},
    {"older callers' shorter requests and statistics are respected", older_callers},
    {"every value has a name and no other has", names},
    {"the description is cut to the buffer, its length is not", description},
    {NULL, NULL},
};
