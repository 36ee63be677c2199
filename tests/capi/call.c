/* One call from offer to hang-up, by a client on a real socket. */
#include <poll.h>
#include <string.h>
#include <time.h>

#include "tests/capi/check.h"
#include "tests/capi/client.h"

enum { kPackets = 100, kLimitMs = 20000, kHousekeepingMs = 500, kEventsMax = 64 };

/* A call in progress and every event of the engine so far. */
typedef struct call {
  sluice_engine* engine;
  call_client* client;
  sluice_session session;
  sluice_event events[kEventsMax];
  size_t events_n;
  int64_t polled_ms;
} call;

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits for the engine or the client, at most for the client's next timer, and serves both. */
static int turn(call* c) {
  struct pollfd waiting[2] = {{.fd = sluice_event_fd(c->engine), .events = POLLIN, .revents = 0},
                              {.fd = client_fd(c->client), .events = POLLIN, .revents = 0}};
  poll(waiting, 2, 5);
  if (!client_turn(c->client)) return 0;
  /* Whether or not it rings, the engine wants to be polled once a second. */
  const int64_t now = now_ms();
  if (!(waiting[0].revents & POLLIN) && now < c->polled_ms + kHousekeepingMs) return 1;
  c->polled_ms = now;
  size_t n;
  while ((n = sluice_poll_events(c->engine, c->events + c->events_n, kEventsMax - c->events_n)) > 0)
    c->events_n += n;
  return c->events_n < kEventsMax;
}

static const sluice_event* event_of(const call* c, sluice_event_type type) {
  for (size_t i = 0; i < c->events_n; ++i)
    if (c->events[i].type == type) return &c->events[i];
  return NULL;
}

/* Serves the call until `done`; 0 when something broke or too much time has passed. */
static int run_until(call* c, int (*done)(call*)) {
  const int64_t limit = now_ms() + kLimitMs;
  while (!done(c))
    if (!turn(c) || now_ms() > limit) return 0;
  return 1;
}

static int is_connected(call* c) {
  return client_connected(c->client) && event_of(c, SLUICE_EVENT_CONNECTED) != NULL;
}

/* Sends one more for each that came back, so that nothing is sent faster than it is echoed. */
static int all_returned(call* c) {
  while (client_sent(c->client) < kPackets && client_sent(c->client) < client_returned(c->client) + 8)
    if (!client_say(c->client)) return 0;
  return client_returned(c->client) == kPackets;
}

static int shard_has_published(call* c) {
  sluice_shard_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.size = sizeof stats;
  return sluice_get_shard_stats(c->engine, 0, &stats) == SLUICE_OK && stats.rx_packets >= kPackets &&
         stats.tx_packets >= kPackets;
}

static int is_closed(call* c) { return event_of(c, SLUICE_EVENT_CLOSED) != NULL; }
static int is_drained(call* c) { return event_of(c, SLUICE_EVENT_DRAINED) != NULL; }

static sluice_session_stats stats_of(call* c) {
  sluice_session_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.size = sizeof stats;
  CHECK(sluice_get_session_stats(c->engine, c->session, &stats) == SLUICE_OK);
  return stats;
}

static void check_listening(const sluice_engine* engine) {
  char listening[2][56] = {{0}, {0}};
  CHECK(sluice_listening(engine, NULL, 0) == 1);
  CHECK(sluice_listening(engine, listening, 2) == 1);
  CHECK(strncmp(listening[0], "127.0.0.1:", 10) == 0);
  CHECK(strcmp(listening[0], "127.0.0.1:0") != 0);
  CHECK(listening[1][0] == 0);
}

static void check_live_session(call* c) {
  const sluice_session_stats s = stats_of(c);
  CHECK(s.session == c->session && s.role == SLUICE_AGENT && s.state == SLUICE_CONNECTED);
  CHECK(s.reason == SLUICE_CLOSE_NONE);
  CHECK(strcmp(s.name, "echo") == 0);
  CHECK(strncmp(s.remote, "127.0.0.1:", 10) == 0);
  CHECK(s.srtp_profile[0] != 0);
  CHECK(s.offered_us > 0 && s.offered_us <= s.first_check_us);
  CHECK(s.first_check_us <= s.dtls_start_us && s.dtls_start_us <= s.dtls_done_us);
  CHECK(s.rx_packets > 0 && s.tx_packets > 0);
  sluice_session live[2] = {0, 0};
  CHECK(sluice_sessions(c->engine, live, 2) == 1 && live[0] == c->session);
}

static void check_engine(call* c, sluice_io io) {
  sluice_engine_stats e;
  memset(&e, 0, sizeof e);
  e.size = sizeof e;
  sluice_get_engine_stats(c->engine, &e);
  CHECK(e.shards == 1 && e.sessions_connected == 1 && e.sessions_created == 1 && e.sessions_closed == 0);
  CHECK(e.handshakes_done == 1 && e.handshakes_failed == 0 && e.rooms == 0 && !e.draining);
  CHECK(strncmp(e.fingerprint, "sha-256 ", 8) == 0);
  CHECK(e.srtp[0] != 0);
  CHECK(io == SLUICE_IO_AUTO || strcmp(e.io, "mmsg") == 0);
  sluice_shard_stats s;
  memset(&s, 0, sizeof s);
  s.size = sizeof s;
  REQUIRE(sluice_get_shard_stats(c->engine, 0, &s) == SLUICE_OK);
  CHECK(strcmp(s.io, e.io) == 0);
  CHECK(s.sessions == 1 && s.tx_packets >= kPackets && s.late_allocations == 0);
  CHECK(s.pool_free > 0 && s.pool_free <= s.pool_capacity);
  CHECK(sluice_get_shard_stats(c->engine, 1, &s) == SLUICE_E_NOT_FOUND);
  CHECK(sluice_rooms(c->engine, NULL, 0) == 0);
}

/* Takes events one by one until CLOSED, whose session's last figures must be readable still. */
static void check_end(call* c) {
  REQUIRE(sluice_hangup(c->engine, c->session, NULL) == SLUICE_OK);
  const int64_t limit = now_ms() + kLimitMs;
  sluice_event event;
  memset(&event, 0, sizeof event);
  while (event.type != SLUICE_EVENT_CLOSED && now_ms() < limit) {
    struct pollfd waiting = {.fd = sluice_event_fd(c->engine), .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, 100) == 1) sluice_poll_events(c->engine, &event, 1);
  }
  REQUIRE(event.type == SLUICE_EVENT_CLOSED);
  CHECK(event.session == c->session && event.reason == SLUICE_CLOSE_HANGUP && event.time_us > 0);
  const sluice_session_stats s = stats_of(c);
  CHECK(s.state == SLUICE_CLOSED && s.reason == SLUICE_CLOSE_HANGUP);
  CHECK(s.first_rtp_in_us >= s.dtls_done_us && s.first_rtp_out_us > s.first_rtp_in_us);
  CHECK(s.track_count == 2);
  uint64_t packets[2] = {0, 0};
  for (unsigned i = 0; i < s.track_count; ++i) {
    CHECK(strcmp(s.track[i].codec, "opus") == 0 && strcmp(s.track[i].kind, "audio") == 0);
    packets[s.track[i].outbound] += s.track[i].packets;
    CHECK(s.track[i].lost == 0);
  }
  CHECK(packets[0] == kPackets && packets[1] == kPackets);
  sluice_poll_events(c->engine, &event, 1);
  sluice_session_stats gone = s;
  CHECK(sluice_get_session_stats(c->engine, c->session, &gone) == SLUICE_E_NOT_FOUND);
  CHECK(sluice_sessions(c->engine, NULL, 0) == 0);
  CHECK(sluice_hangup(c->engine, c->session, NULL) == SLUICE_E_NOT_FOUND);
}

static void check_drain(call* c) {
  sluice_drain(c->engine, 60000);
  accept_result refused;
  accept_offer(c->engine, SLUICE_AGENT, "echo", client_offer(c->client), sizeof refused.answer, &refused);
  CHECK(refused.code == SLUICE_E_DRAINING);
  sluice_engine_stats e;
  memset(&e, 0, sizeof e);
  e.size = sizeof e;
  sluice_get_engine_stats(c->engine, &e);
  CHECK(e.draining);
  CHECK(e.sessions_closed == 1 && e.closed_by_reason[SLUICE_CLOSE_HANGUP] == 1);
  CHECK(run_until(c, is_drained));
}

static void converse(call* c, sluice_io io) {
  check_listening(c->engine);
  accept_result accepted;
  accept_offer(c->engine, SLUICE_AGENT, "echo", client_offer(c->client), sizeof accepted.answer, &accepted);
  REQUIRE(accepted.code == SLUICE_OK);
  CHECK(accepted.answer_len == strlen(accepted.answer));
  c->session = accepted.accepted.session;
  REQUIRE(client_answer(c->client, accepted.answer, accepted.answer_len));
  REQUIRE(run_until(c, is_connected));
  REQUIRE(event_of(c, SLUICE_EVENT_CREATED) != NULL);
  const sluice_event* checking = event_of(c, SLUICE_EVENT_CHECKING);
  REQUIRE(checking != NULL && checking->session == c->session);
  CHECK(checking < event_of(c, SLUICE_EVENT_CONNECTED));
  REQUIRE(run_until(c, all_returned));
  CHECK(client_faults(c->client) == 0);
  REQUIRE(run_until(c, shard_has_published));
  check_live_session(c);
  check_engine(c, io);
  check_end(c);
  check_drain(c);
}

static void call_over(sluice_io io) {
  const sluice_config config = test_config(io);
  call c;
  memset(&c, 0, sizeof c);
  c.engine = open_engine(&config);
  REQUIRE(c.engine != NULL);
  c.client = client_new(1);
  if (c.client != NULL) converse(&c, io);
  CHECK(c.client != NULL);
  client_free(c.client);
  sluice_close(c.engine);
}

static void call_over_auto(void) { call_over(SLUICE_IO_AUTO); }
static void call_over_mmsg(void) { call_over(SLUICE_IO_MMSG); }

/* A connected session of `role`; 0, and the case failed, if it does not come to that. */
static int connect_call(call* c, unsigned number, sluice_role role, const char* name) {
  const sluice_config config = test_config(SLUICE_IO_AUTO);
  accept_result accepted;
  memset(c, 0, sizeof *c);
  c->engine = open_engine(&config);
  c->client = client_new(number);
  if (c->engine == NULL || c->client == NULL) return 0;
  accept_offer(c->engine, role, name, client_offer(c->client), sizeof accepted.answer, &accepted);
  c->session = accepted.accepted.session;
  CHECK(accepted.code == SLUICE_OK);
  if (accepted.code != SLUICE_OK) return 0;
  const int ok = client_answer(c->client, accepted.answer, accepted.answer_len) && run_until(c, is_connected);
  CHECK(ok);
  return ok;
}

static void end_call(call* c) {
  client_free(c->client);
  sluice_close(c->engine);
}

static void check_room(call* c) {
  sluice_room_stats rooms[2];
  memset(rooms, 0xA5, sizeof rooms);
  rooms[0].size = 0;
  CHECK(sluice_rooms(c->engine, rooms, 2) == 1);
  CHECK(rooms[0].subscribers == 0xA5A5A5A5U);
  rooms[0].size = offsetof(sluice_room_stats, subscribers);
  CHECK(sluice_rooms(c->engine, NULL, 0) == 1);
  CHECK(sluice_rooms(c->engine, rooms, 1) == 1);
  CHECK(strcmp(rooms[0].name, "hall") == 0 && rooms[0].publisher == c->session);
  CHECK(rooms[0].subscribers == 0xA5A5A5A5U);
  CHECK(rooms[1].size != sizeof rooms[1] && rooms[1].subscribers == 0xA5A5A5A5U);
  rooms[0].size = sizeof rooms[0];
  CHECK(sluice_rooms(c->engine, rooms, 1) == 1);
  CHECK(rooms[0].subscribers == 0);
}

static void a_room_has_one_publisher(void) {
  call c;
  if (connect_call(&c, 3, SLUICE_PUBLISH, "hall")) {
    check_room(&c);
    accept_result r;
    accept_offer(c.engine, SLUICE_PUBLISH, "hall", client_offer(c.client), sizeof r.answer, &r);
    CHECK(r.code == SLUICE_E_CONFLICT);
    CHECK(sluice_sessions(c.engine, NULL, 0) == 1);
    CHECK(sluice_hangup(c.engine, c.session, NULL) == SLUICE_OK);
    CHECK(run_until(&c, is_closed));
    CHECK(sluice_rooms(c.engine, NULL, 0) == 0);
    accept_offer(c.engine, SLUICE_PUBLISH, "hall", client_offer(c.client), sizeof r.answer, &r);
    CHECK(r.code == SLUICE_OK && r.accepted.session != c.session);
  }
  end_call(&c);
}

/* What a caller of an older version has, without subscribers. */
typedef struct older_room {
  size_t size;
  char name[65];
  sluice_session publisher;
} older_room;

static void rooms_are_as_far_apart_as_the_caller_says(void) {
  call c;
  if (connect_call(&c, 4, SLUICE_PUBLISH, "first")) {
    call_client* const first = c.client;
    accept_result r;
    c.client = client_new(5);
    c.events_n = 0;
    REQUIRE(c.client != NULL);
    accept_offer(c.engine, SLUICE_PUBLISH, "second", client_offer(c.client), sizeof r.answer, &r);
    REQUIRE(r.code == SLUICE_OK && client_answer(c.client, r.answer, r.answer_len));
    CHECK(run_until(&c, is_connected));
    older_room rooms[3];
    memset(rooms, 0xA5, sizeof rooms);
    rooms[0].size = sizeof rooms[0];
    CHECK(sluice_rooms(c.engine, (sluice_room_stats*)(void*)rooms, 3) == 2);
    const int swapped = strcmp(rooms[0].name, "second") == 0;
    CHECK(strcmp(rooms[swapped].name, "first") == 0 && rooms[swapped].publisher == c.session);
    CHECK(strcmp(rooms[!swapped].name, "second") == 0 && rooms[!swapped].publisher == r.accepted.session);
    CHECK(rooms[1].size == sizeof rooms[1] && rooms[2].name[0] == (char)0xA5);
    client_free(first);
  }
  end_call(&c);
}

static void closing_says_goodbye(void) {
  call c;
  if (connect_call(&c, 6, SLUICE_AGENT, "echo")) {
    sluice_close(c.engine);
    c.engine = NULL;
    struct pollfd waiting = {.fd = client_fd(c.client), .events = POLLIN, .revents = 0};
    const int64_t limit = now_ms() + kLimitMs;
    while (!client_dismissed(c.client) && now_ms() < limit && poll(&waiting, 1, 100) >= 0)
      if (!client_turn(c.client)) break;
    CHECK(client_dismissed(c.client));
  }
  end_call(&c);
}

static void a_call_ends_with_drain(void) {
  call c;
  if (connect_call(&c, 2, SLUICE_AGENT, "echo")) {
    sluice_drain(c.engine, 0);
    CHECK(run_until(&c, is_drained));
    const sluice_event* closed = event_of(&c, SLUICE_EVENT_CLOSED);
    CHECK(closed != NULL && closed->reason == SLUICE_CLOSE_DRAIN);
    CHECK(sluice_sessions(c.engine, NULL, 0) == 0);
  }
  end_call(&c);
}

const test_case call_cases[] = {
    {"a call with the echo agent, on the I/O that is chosen", call_over_auto},
    {"a call with the echo agent, on mmsg", call_over_mmsg},
    {"a room is listed while its publisher is there, and has one", a_room_has_one_publisher},
    {"rooms are listed as far apart as the caller's struct is long", rooms_are_as_far_apart_as_the_caller_says},
    {"closing the engine says goodbye to whoever is left", closing_says_goodbye},
    {"draining hangs up what is left at the deadline", a_call_ends_with_drain},
    {NULL, NULL},
};
