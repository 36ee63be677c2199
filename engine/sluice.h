/* Sluice, C API, version 0. The data plane behind somebody's control plane; Sluice's own HTTP layer uses nothing
 * else.
 *
 * Rules that hold for every call
 * - Structs start with their size: zero the struct, set `size = sizeof it`, or call its *_init(). A newer library
 *   reads an older caller's shorter struct and fills the rest with defaults. A size of 0 is INVALID;
 *   where no code is returned, nothing is filled in.
 * - Strings are UTF-8. Inputs are copied before the call returns. Fixed arrays in outputs are zero-terminated.
 * - Errors: a call returns a sluice_code and, where `err` is not NULL, fills in the field at fault, what is wrong
 *   with it and what to do. Nothing is half done after an error.
 * - Threads: one thread at a time per engine (the "control thread"). No call blocks on a shard; none is called
 *   back. Things that happen are pulled from a ring: wait on sluice_event_fd(), then sluice_poll_events() until it
 *   returns 0. It also does the library's own housekeeping, so call it at least once a second.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_API_VERSION 0

typedef struct sluice_engine sluice_engine;

/* Names a session for as long as the process lives; never reused. 0 is none. Not a secret. */
typedef uint64_t sluice_session;

typedef enum sluice_code {
  SLUICE_OK = 0,
  SLUICE_E_INVALID = 1,     /* an argument or the SDP is wrong: `field` says which                     (HTTP 400) */
  SLUICE_E_UNSUPPORTED = 2, /* well-formed, but nothing in it can be served, e.g. no Opus              (HTTP 406) */
  SLUICE_E_NOT_FOUND = 3,   /* no such session, room, agent or server                                 (HTTP 404) */
  SLUICE_E_CONFLICT = 4,    /* the room has a publisher, the ufrag leads elsewhere already             (HTTP 409) */
  SLUICE_E_LIMIT = 5,       /* a capacity fixed at start is used up                                    (HTTP 503) */
  SLUICE_E_DRAINING = 6,    /* shutting down: no new sessions                                          (HTTP 503) */
  SLUICE_E_STALE = 7,       /* the entity tag names an ICE session that is over                        (HTTP 412) */
  SLUICE_E_IO = 8,          /* a socket, file or kernel facility refused                               (HTTP 500) */
  SLUICE_E_BUFFER = 9       /* the caller's buffer is too small; *_len says what is needed */
} sluice_code;

typedef struct sluice_error {
  size_t size;
  sluice_code code;
  char field[64];    /* "offer.m[0].rtpmap", "listen[1]", "dtls_cert_file" */
  char message[256]; /* one sentence without a newline */
  char fix[256];     /* one sentence: what to do about it; may be empty */
} sluice_error;

typedef enum sluice_io { SLUICE_IO_AUTO = 0, SLUICE_IO_URING = 1, SLUICE_IO_MMSG = 2 } sluice_io;
typedef enum sluice_srtp {
  SLUICE_SRTP_AUTO = 0,
  SLUICE_SRTP_IPSEC_MB = 1,
  SLUICE_SRTP_OPENSSL = 2,
  SLUICE_SRTP_LIBSRTP = 3
} sluice_srtp;

/* What the process does: forward packets to media servers, end sessions itself, or both. */
typedef enum sluice_tier { SLUICE_TIER_BOTH = 0, SLUICE_TIER_RELAY = 1, SLUICE_TIER_MEDIA = 2 } sluice_tier;
/* How local ports of relayed legs are had: a socket for each, or one for all by eBPF. */
typedef enum sluice_relay_ports {
  SLUICE_RELAY_PORTS_AUTO = 0,
  SLUICE_RELAY_PORTS_SOCKETS = 1,
  SLUICE_RELAY_PORTS_STEERED = 2
} sluice_relay_ports;
/* How packets leave. Frames with prebuilt headers are cheaper and go past the host's output filter; AUTO: where
 * that is permitted and the process relays (tier RELAY, servers or TURN). */
typedef enum sluice_transmit {
  SLUICE_TRANSMIT_AUTO = 0,
  SLUICE_TRANSMIT_SOCKETS = 1,
  SLUICE_TRANSMIT_FRAMES = 2
} sluice_transmit;

/* How packets arrive. FRAMES: by AF_XDP, before the kernel's UDP and its input filter; needs `io` MMSG or AUTO, and
 * an interface where no other XDP program is. Never chosen unasked, since it concerns the whole interface. */
typedef enum sluice_receive { SLUICE_RECEIVE_SOCKETS = 0, SLUICE_RECEIVE_FRAMES = 1 } sluice_receive;

/* Levels 0 debug, 1 info, 2 warning, 3 error. Called on the control thread only, inside another call. */
typedef void (*sluice_log_fn)(void* user, int level, const char* line);

typedef struct sluice_config {
  size_t size;
  const char* const* listen; /* "ADDR:PORT"; NULL: one dual-stack wildcard socket on port 3478. Port 0: any */
  size_t listen_count;
  const char* const* public_address; /* what candidates name, nothing else then: "ADDR" with the ports of `listen`,
                                      * or "ADDR:PORT" of a relay in front; NULL: the host's own addresses */
  size_t public_address_count;
  const char* cores;          /* "0,2-3"; NULL: the affinity mask of the process */
  unsigned shards;            /* 0: one per core of `cores`; more than cores is allowed, they share */
  sluice_io io;
  sluice_srtp srtp;
  int busy_poll;              /* 1: shards spin instead of sleeping in the kernel */
  unsigned max_sessions;      /* per process, 1..65536; default 4096 */
  unsigned max_rooms;         /* 1..65536; default 1024 */
  const char* dtls_cert_file; /* PEM, ECDSA P-256; NULL: a certificate is made at start */
  const char* dtls_key_file;
  unsigned echo_delay_ms;     /* 0..2000; default 500 */
  sluice_log_fn log;          /* may be NULL */
  void* log_user;

  /* The relay tier. An ID is "NODE" (0..16383) or "REGION.NODE" (0..63 . 0..16383). */
  sluice_tier tier;
  const char* node;           /* ID of this media tier in the ufrags that it mints; NULL: "1" */
  const char* const* server;  /* "ID=ADDR:PORT[,trunk]", as sluice_put_server() */
  size_t server_count;
  /* Key texts: lines of "[KEYID:]SECRET", KEYID 0..15 (of the first line 0 unless it says otherwise), SECRET at
   * least 16 bytes; the first line mints. NULL: keys of this process alone, made at start. */
  const char* route_key;
  const char* ice_key;        /* media tiers only */
  const char* trunk;          /* "ADDR:PORT" between relays and media tiers; NULL: off */
  const char* trunk_key;      /* one line */
  const char* const* relay_address; /* "ADDR" of relayed legs; NULL: the host's first of each family */
  size_t relay_address_count;
  const char* relay_ports;    /* "LO-HI"; NULL: "49152-65535" */
  sluice_relay_ports relay_port_mode;
  unsigned max_flows;         /* per process, by trunk twice as many; 1..16777216; default 65536 */
  unsigned max_routes;        /* 0..1048576; default 65536 */
  unsigned max_servers;       /* named ones and targets of routes, 1..65535; default 1024 */
  unsigned flow_idle_s;       /* 5..86400; default 60 */
  /* TURN is on as soon as there is a user or a secret. */
  const char* const* turn_user; /* "NAME:PASSWORD" */
  size_t turn_user_count;
  const char* turn_secret;    /* of time-limited credentials: one or two lines, the newest first; NULL: none */
  const char* realm;          /* NULL: "sluice" */
  const char* const* turn_allow_peer; /* "ADDR[/BITS]": exceptions from the peers that are denied */
  size_t turn_allow_peer_count;
  unsigned max_allocations;   /* per process, 1..1048576; default 16384 */
  unsigned turn_user_quota;   /* allocations of one user; 0: no limit */
  unsigned turn_allocation_kbps; /* in each direction; 0: no limit */
  const char* const* turn_tls; /* "ADDR:PORT", TCP */
  size_t turn_tls_count;
  const char* turn_tls_cert_file; /* PEM */
  const char* turn_tls_key_file;
  sluice_transmit transmit;
  /* TCP and TLS connections at once (ICE-TCP, TURN), 0..65536; default 4096. TCP is served wherever UDP is, unless
   * another program has the port; 0: nowhere. */
  unsigned max_streams;
  sluice_receive receive;
  /* 1: a media tier sends media (SRTP, SRTCP) to clients that come by trunk itself, with the relay's public endpoint as
   * its source, and all else by the trunk. For networks that let such sources pass; needs CAP_NET_RAW. */
  int trunk_direct;
  /* 1: the shards' memory is there at start, on each one's NUMA node, so that no packet waits for the kernel to find
   * and clear a page. Linux 5.14. */
  int prefault;
} sluice_config;

typedef enum sluice_role { SLUICE_PUBLISH = 0, SLUICE_PLAY = 1, SLUICE_AGENT = 2 } sluice_role;

typedef struct sluice_accept_request {
  size_t size;
  sluice_role role;
  const char* name;     /* room, or agent ("echo"): 1..64 of A-Z a-z 0-9 . _ - */
  const char* offer;    /* SDP */
  size_t offer_len;     /* at most 65536 */
  int takeover;         /* 1: replace the room's publisher instead of SLUICE_E_CONFLICT */
} sluice_accept_request;

typedef struct sluice_accepted {
  size_t size;
  sluice_session session;
  uint32_t ice_generation; /* for the ETag; sluice_trickle() wants it back */
} sluice_accepted;

typedef enum sluice_state {
  SLUICE_NEW = 0,        /* answered; no authenticated check yet */
  SLUICE_CHECKING = 1,   /* ICE checks pass, DTLS not finished */
  SLUICE_CONNECTED = 2,  /* keys in place; media may flow */
  SLUICE_CLOSED = 3
} sluice_state;

typedef enum sluice_close_reason {
  SLUICE_CLOSE_NONE = 0,
  SLUICE_CLOSE_HANGUP = 1,        /* sluice_hangup(): DELETE or an operator */
  SLUICE_CLOSE_PEER = 2,          /* DTLS close_notify, or an alert followed by silence */
  SLUICE_CLOSE_CONSENT = 3,       /* 30 s without a valid consent check (RFC 7675) */
  SLUICE_CLOSE_SETUP_TIMEOUT = 4, /* never connected */
  SLUICE_CLOSE_DTLS = 5,          /* handshake failed, e.g. another certificate than the offer's fingerprint */
  SLUICE_CLOSE_TAKEOVER = 6,      /* another publisher took the room */
  SLUICE_CLOSE_DRAIN = 7
} sluice_close_reason;

typedef enum sluice_event_type {
  SLUICE_EVENT_CREATED = 0,
  SLUICE_EVENT_CHECKING = 1,
  SLUICE_EVENT_CONNECTED = 2,
  SLUICE_EVENT_MOVED = 3,  /* the client's address changed */
  SLUICE_EVENT_CLOSED = 4, /* `reason`; the session's last statistics stay readable until the next poll */
  SLUICE_EVENT_DRAINED = 5 /* after sluice_drain(): no session and no allocation is left, or the deadline passed */
} sluice_event_type;

typedef struct sluice_event {
  sluice_event_type type;
  sluice_session session;
  sluice_close_reason reason;
  int64_t time_us; /* CLOCK_MONOTONIC */
} sluice_event;

#define SLUICE_DROP_REASONS_MAX 96
#define SLUICE_TRACKS_MAX 4

/* One direction of one RTP stream, seen from Sluice. */
typedef struct sluice_track_stats {
  uint32_t ssrc;
  char codec[16];  /* "opus", "VP8"; empty: unused */
  char kind[8];    /* "audio", "video" */
  int outbound;    /* 0: the client sends it; 1: Sluice sends it */
  uint64_t packets;
  uint64_t bytes;           /* RTP payload and header, without SRTP tag */
  uint64_t lost;            /* RFC 3550 cumulative; inbound: our count, outbound: the client's report */
  double fraction_lost;     /* of the last report interval, 0..1 */
  double jitter_ms;         /* RFC 3550 §6.4.1; outbound: the client's report */
  double bitrate_bps;       /* over the last published second */
  double audio_level_dbov;  /* RFC 6464, last second's loudest, -127..0; NaN if not known */
  uint64_t nacks;           /* packets asked for again: inbound: by us, outbound: by the client */
  uint64_t retransmitted;   /* outbound: packets sent again */
  uint64_t plis;
} sluice_track_stats;

typedef struct sluice_session_stats {
  size_t size;
  sluice_session session;
  sluice_role role;
  sluice_state state;
  sluice_close_reason reason;
  char name[65];             /* room or agent */
  char remote[56];           /* "ADDR:PORT", empty before the first check */
  char local[56];
  char srtp_profile[40];     /* "AEAD_AES_128_GCM"; empty before keys */
  unsigned shard;
  double rtt_ms;             /* from RTCP or path challenges; NaN if not known */
  uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes; /* UDP payloads of all kinds */
  uint64_t moves;            /* address changes */
  /* Index: sluice_drop_name(). Packets of the client's that were not delivered, and packets for it that were not
   * sent. */
  uint64_t drops[SLUICE_DROP_REASONS_MAX];
  /* Setup timeline, CLOCK_MONOTONIC microseconds, 0: not yet. */
  int64_t offered_us, first_check_us, dtls_start_us, dtls_done_us, first_rtp_in_us, first_rtp_out_us;
  unsigned subscribers;      /* publishers: sessions that play the room */
  unsigned track_count;
  sluice_track_stats track[SLUICE_TRACKS_MAX];
} sluice_session_stats;

typedef struct sluice_shard_stats {
  size_t size;
  unsigned shard, core;
  char io[8];  /* "uring", "mmsg" */
  uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
  uint64_t rx_calls, tx_calls, rx_no_buffers, rx_rearmed, kernel_drops, sleeps;
  uint64_t loops, handed_over, steered; /* packets given to the owning shard; steering map entries made */
  uint64_t cpu_us;                      /* of the thread, user and system */
  uint64_t sessions, flows, pool_capacity, pool_free;
  uint64_t late_allocations;            /* allocations on the shard thread after start; 0 or a defect */
  uint64_t drops[SLUICE_DROP_REASONS_MAX];  /* packets received and not delivered; one counter each */
  uint64_t unsent[SLUICE_DROP_REASONS_MAX]; /* copies, answers and reports that were to be sent and were not */
} sluice_shard_stats;

typedef struct sluice_engine_stats {
  size_t size;
  unsigned shards;
  unsigned sessions_new, sessions_checking, sessions_connected;
  unsigned rooms;
  uint64_t sessions_created, sessions_closed, handshakes_done, handshakes_failed;
  uint64_t closed_by_reason[8]; /* index: sluice_close_reason */
  char io[8];
  char srtp[16];       /* "ipsec-mb", "openssl", "libsrtp" */
  char fingerprint[128]; /* "sha-256 AA:BB:..." of the DTLS certificate */
  int draining;
} sluice_engine_stats;

typedef struct sluice_room_stats {
  size_t size;
  char name[65];
  sluice_session publisher; /* 0: none */
  unsigned subscribers;
} sluice_room_stats;

const char* sluice_version(void);
/* "srtp_auth"; NULL past the last. */
const char* sluice_drop_name(unsigned index);
/* One sentence for people; NULL past the last. */
const char* sluice_drop_text(unsigned index);
/* "connected", "consent", ... for JSON and logs; "unknown" for a value out of range. */
const char* sluice_state_name(int state);
const char* sluice_close_reason_name(int reason);
const char* sluice_role_name(int role);

void sluice_config_init(sluice_config* config);

/* Opens sockets, starts shards and workers. INVALID, IO. */
sluice_code sluice_open(const sluice_config* config, sluice_engine** out, sluice_error* err);
/* Ends all sessions, whose clients are told (at most half a second is spent on it), and joins all threads. NULL is
 * allowed. */
void sluice_close(sluice_engine* engine);

/* The UDP endpoints that are really bound, "ADDR:PORT" each; returns how many there are, fills at most `cap`. */
size_t sluice_listening(const sluice_engine* engine, char (*out)[56], size_t cap);
/* What was switched on, off and why, capacities in bytes: text of several lines for people, zero-terminated.
 * Returns the length needed without the zero. */
size_t sluice_describe(const sluice_engine* engine, char* out, size_t cap);

/* Answers an offer. The answer (SDP, CRLF lines) is written to `answer` and zero-terminated.
 * INVALID, UNSUPPORTED, NOT_FOUND (agent), CONFLICT, LIMIT, DRAINING, BUFFER. */
sluice_code sluice_accept(sluice_engine* engine, const sluice_accept_request* request, char* answer,
                          size_t answer_cap, size_t* answer_len, sluice_accepted* out, sluice_error* err);

/* An SDP fragment (RFC 8840, application/trickle-ice-sdpfrag). New ice-ufrag and ice-pwd restart ICE: the answer
 * is a fragment with ours, *answer_len > 0 and *generation advances. Otherwise candidates are taken note of and
 * *answer_len is 0. `*generation` is the one the client names (If-Match); pass UINT32_MAX for "*".
 * INVALID, NOT_FOUND, STALE, BUFFER. */
sluice_code sluice_trickle(sluice_engine* engine, sluice_session session, uint32_t* generation,
                           const char* fragment, size_t fragment_len, char* answer, size_t answer_cap,
                           size_t* answer_len, sluice_error* err);

/* Ends a session; SLUICE_EVENT_CLOSED follows. NOT_FOUND. */
sluice_code sluice_hangup(sluice_engine* engine, sluice_session session, sluice_error* err);

/* Live sessions, oldest first; returns how many there are, fills at most `cap`. */
size_t sluice_sessions(sluice_engine* engine, sluice_session* out, size_t cap);
sluice_code sluice_get_session_stats(sluice_engine* engine, sluice_session session, sluice_session_stats* out);
sluice_code sluice_get_shard_stats(sluice_engine* engine, unsigned shard, sluice_shard_stats* out);
void sluice_get_engine_stats(sluice_engine* engine, sluice_engine_stats* out);
/* Rooms that have a publisher or a subscriber; as sluice_sessions(). Fill in out[0].size first: it says how far
 * apart the elements are. */
size_t sluice_rooms(sluice_engine* engine, sluice_room_stats* out, size_t cap);

/* Readable when sluice_poll_events() has work. Owned by the engine. */
int sluice_event_fd(const sluice_engine* engine);
/* Takes at most `cap` events, oldest first; returns how many. */
size_t sluice_poll_events(sluice_engine* engine, sluice_event* out, size_t cap);

/* No new sessions and TURN allocations from now; SLUICE_EVENT_DRAINED when none is left or after `deadline_ms`, when
 * the rest is hung up. */
void sluice_drain(sluice_engine* engine, unsigned deadline_ms);

/* The relay tier: servers that minted ufrags lead to, routes for ufrags that others minted, and credentials. */

typedef struct sluice_server {
  size_t size;
  const char* id;      /* "NODE" or "REGION.NODE" */
  const char* address; /* "ADDR:PORT": for clients' packets, or of its trunk */
  int trunk;           /* 1: a Sluice media tier that takes trunk datagrams */
} sluice_server;

typedef struct sluice_server_stats {
  size_t size;
  char id[16];      /* empty: known only as a target of routes */
  char address[56];
  int trunk;
  uint64_t flows, unconfirmed; /* now; of them, those that the server has not answered yet */
  uint64_t up_packets, up_bytes, down_packets, down_bytes; /* up: from clients to the server */
  uint64_t routes;
  int up;              /* 1: every shard hears its trunk; without a trunk nobody knows, and it is 1 */
  int draining;        /* by trunk: 1: it takes no new sessions */
  unsigned rtt_us;     /* by trunk: the longest of all shards'; 0: not measured */
  char claims[16];     /* by trunk: the name that it gives itself, if that is not its own; such a one is never up */
  uint64_t lost_up, lost_down; /* by trunk: datagrams that never arrived */
} sluice_server_stats;

/* Makes a server known or gives it another address; calls that it owns follow. INVALID, LIMIT. */
sluice_code sluice_put_server(sluice_engine* engine, const sluice_server* server, sluice_error* err);
/* Its flows are dropped. INVALID, NOT_FOUND. */
sluice_code sluice_remove_server(sluice_engine* engine, const char* id, sluice_error* err);
/* Named servers and targets of routes; as sluice_rooms(). */
size_t sluice_servers(sluice_engine* engine, sluice_server_stats* out, size_t cap);

typedef struct sluice_route {
  size_t size;
  const char* ufrag;  /* the server's, 1..256 letters, digits, + and / */
  int prefix;         /* 1: what begins with it; the longest match wins, an exact one always */
  const char* server; /* "ADDR:PORT" */
  unsigned ttl_s;     /* 1..604800; 0: 3600 */
} sluice_route;

/* `routes` is an array whose elements all have the size that the first one names. All of them are installed or
 * none; the same route again lives on. INVALID, CONFLICT (an exact ufrag that leads elsewhere), LIMIT; the field
 * says which: "routes[3].ufrag". */
sluice_code sluice_put_routes(sluice_engine* engine, const sluice_route* routes, size_t count, sluice_error* err);
/* By ufrag and prefix, whatever else they say. Flows that use them go on. *removed may be NULL. INVALID. */
sluice_code sluice_remove_routes(sluice_engine* engine, const sluice_route* routes, size_t count,
                                 size_t* removed, sluice_error* err);

typedef struct sluice_relay_stats {
  size_t size;
  sluice_tier tier;
  int relay, trunk, turn; /* 1: on */
  uint64_t flows, unconfirmed, flows_created, flows_expired;
  uint64_t up_packets, up_bytes, down_packets, down_bytes;
  uint64_t routes, max_routes;
  uint64_t max_flows; /* if those to come are not by trunk, which take half the room */
  unsigned servers;    /* named ones and targets of routes */
  unsigned ports_open; /* local ports of relayed legs */
  int trunk_direct;    /* 1: a media tier that answers clients past the trunk */
  uint64_t direct_packets, direct_bytes; /* of media that went so */
} sluice_relay_stats;

void sluice_get_relay_stats(sluice_engine* engine, sluice_relay_stats* out);

#define SLUICE_TURN_REFUSALS_MAX 16

typedef struct sluice_turn_stats {
  size_t size;
  int on;
  unsigned allocations, max_allocations; /* now; per process */
  unsigned streams;      /* of them, those whose client came by TCP or TLS */
  unsigned reservations; /* ports held for a RESERVATION-TOKEN */
  uint64_t created, expired, deleted, moved, refreshed; /* allocations; moved: to another client address */
  uint64_t permissions, channels; /* installed or refreshed */
  uint64_t bindings;     /* STUN binding requests answered */
  uint64_t up_packets, up_bytes, down_packets, down_bytes; /* payload; up: from clients to peers */
  uint64_t channel_packets; /* of both directions, those by ChannelData */
  unsigned refused_count;
  unsigned refused_code[SLUICE_TURN_REFUSALS_MAX]; /* 401, 486, ... */
  uint64_t refused[SLUICE_TURN_REFUSALS_MAX];
} sluice_turn_stats;

void sluice_get_turn_stats(sluice_engine* engine, sluice_turn_stats* out);

typedef struct sluice_turn_allocation {
  size_t size;
  uint64_t id;           /* for as long as the process lives; never 0 */
  unsigned shard;
  char client[56];       /* "ADDR:PORT" */
  char transport[8];     /* of the client: "udp", "tcp", "tls" */
  char user[65];         /* cut to fit */
  char relayed[2][56];   /* of IPv4 and of IPv6; empty: none */
  unsigned permissions;  /* peers that it may speak with, each of their ports that has a channel counted */
  unsigned channels;     /* of them, those with a channel */
  int mobile;            /* 1: may come back from another address (RFC 8016) */
  uint64_t age_s, lifetime_s; /* lifetime: what is left of it */
  uint64_t up_packets, up_bytes, down_packets, down_bytes; /* payload; up: from the client to peers */
} sluice_turn_allocation;

/* Allocations by rising id, those behind `after` (0: from the first), a page at a time: returns how many were filled
 * in, at most `cap`; 0: there are no more. Fill in out[0].size first, as for sluice_rooms(). Figures are those of the
 * last quarter of a second in which payloads flowed. */
size_t sluice_turn_allocations(sluice_engine* engine, uint64_t after, sluice_turn_allocation* out, size_t cap);
/* Ends it; its ports are free at once, and if its client came by a stream that is closed. NOT_FOUND. */
sluice_code sluice_end_turn_allocation(sluice_engine* engine, uint64_t id, sluice_error* err);

typedef struct sluice_minted {
  size_t size;
  char ufrag[32];
  char password[40]; /* empty where there is no ICE key: on a relay */
} sluice_minted;

/* A ufrag that leads to the server of that ID, under the first route key, for somebody else to hand out. It lives
 * `ttl_s` seconds (1..604800) and at most ten minutes more. INVALID. */
sluice_code sluice_mint_ufrag(sluice_engine* engine, const char* id, unsigned ttl_s, sluice_minted* out,
                              sluice_error* err);

typedef struct sluice_turn_login {
  size_t size;
  char username[160];
  char password[64];
} sluice_turn_login;

/* Time-limited TURN credentials for `user` (1..128 bytes without a colon), `ttl_s` 1..604800. INVALID;
 * UNSUPPORTED where there is no turn_secret. */
sluice_code sluice_turn_credential(sluice_engine* engine, const char* user, unsigned ttl_s,
                                   sluice_turn_login* out, sluice_error* err);
/* Since start, but for open, open_tls and queued_bytes. */
typedef struct sluice_stream_stats {
  size_t size;
  unsigned max_streams;    /* 0: none are served */
  uint64_t open, open_tls; /* now */
  uint64_t accepted, accepted_tls;
  uint64_t ice, turn;      /* what they turned out to carry */
  uint64_t rx_datagrams, rx_bytes, tx_datagrams, tx_bytes;
  uint64_t queued_bytes;   /* waiting for slow readers now */
  uint64_t refused_full, refused_address, refused_rate, refused_files;
  uint64_t ended_peer, ended_shard, ended_silent, ended_idle, ended_malformed, ended_tls, ended_broken;
  uint64_t dropped_ring_full, dropped_slow_reader, dropped_gone, dropped_oversize;
} sluice_stream_stats;

void sluice_get_stream_stats(sluice_engine* engine, sluice_stream_stats* out);

/* Where clients reach TURN, as browsers' iceServers take it: "turn:192.0.2.1:3478?transport=udp"; as
 * sluice_listening(). None where TURN is off. */
size_t sluice_turn_uris(const sluice_engine* engine, char (*out)[96], size_t cap);

/* Which way a session description of a server that is no Sluice travels. */
typedef enum sluice_direction {
  SLUICE_TO_SERVER = 0, /* the client's candidates and addresses go out of it, so that all goes by the relay */
  SLUICE_TO_CLIENT = 1  /* the server's candidates and addresses become those of this relay */
} sluice_direction;

#define SLUICE_UFRAGS_MAX 32

typedef struct sluice_sdp_request {
  size_t size;
  const char* sdp;
  size_t sdp_len;     /* at most 65536 */
  sluice_direction direction;
  const char* server; /* TO_CLIENT: "ADDR:PORT" that its ufrags are to lead to from now on; NULL: no routes */
  unsigned ttl_s;     /* of those routes, 1..604800; 0: 3600 */
} sluice_sdp_request;

typedef struct sluice_sdp_result {
  size_t size;
  unsigned ufrag_count;
  char ufrag[SLUICE_UFRAGS_MAX][257]; /* all that stand in it, each once */
} sluice_sdp_result;

/* The description for the other side, as sluice_accept() writes its answer. Nothing else in it changes.
 * INVALID, CONFLICT, LIMIT, BUFFER. */
sluice_code sluice_rewrite_sdp(sluice_engine* engine, const sluice_sdp_request* request, char* out,
                               size_t out_cap, size_t* out_len, sluice_sdp_result* result, sluice_error* err);

#ifdef __cplusplus
}
#endif

#endif
