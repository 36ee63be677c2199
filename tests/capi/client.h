/* A client of the echo agent for a program in C: ICE, DTLS, SRTP over a UDP socket. One thread. */
#ifndef SLUICE_TESTS_CAPI_CLIENT_H
#define SLUICE_TESTS_CAPI_CLIENT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct call_client call_client;

/* NULL, and a line on stderr, if it cannot be made. `number` tells clients apart. */
call_client* client_new(unsigned number);
void client_free(call_client* client);

/* The SDP offer, zero-terminated, alive as long as the client. */
const char* client_offer(const call_client* client);
/* Takes the answer; 0 if it is of no use. */
int client_answer(call_client* client, const char* sdp, size_t len);

/* Readable when client_turn() has work; call that every few milliseconds too, for its timers. */
int client_fd(const call_client* client);
/* 0, and a line on stderr, when something broke. */
int client_turn(call_client* client);
int client_connected(const call_client* client);
/* The server has said goodbye. */
int client_dismissed(const call_client* client);
/* One RTP packet. Precondition: connected. 0 when it could not be sent. */
int client_say(call_client* client);

unsigned client_sent(const call_client* client);
/* Own packets that came back whole, each once. */
unsigned client_returned(const call_client* client);
/* Packets that came back twice, out of order or damaged. */
unsigned client_faults(const call_client* client);

#ifdef __cplusplus
}
#endif

#endif
