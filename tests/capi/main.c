/* A program in C that knows of Sluice what engine/sluice.h says. The last line is "N passed, N failed". */
#include <stdio.h>
#include <string.h>

#include "tests/capi/check.h"

static int case_failed;

void fail_case(const char* file, int line, const char* what) {
  printf("%s:%d: not so: %s\n", file, line, what);
  case_failed = 1;
}

sluice_config test_config(sluice_io io) {
  static const char* const listen[] = {"127.0.0.1:0"};
  sluice_config config;
  sluice_config_init(&config);
  config.listen = listen;
  config.listen_count = 1;
  config.shards = 1;
  config.max_sessions = 8;
  config.max_rooms = 8;
  config.echo_delay_ms = 20;
  config.io = io;
  return config;
}

sluice_engine* open_engine(const sluice_config* config) {
  sluice_engine* engine = NULL;
  sluice_error err;
  memset(&err, 0, sizeof err);
  err.size = sizeof err;
  if (sluice_open(config, &engine, &err) == SLUICE_OK) return engine;
  printf("sluice_open: %s: %s\n", err.field, err.message);
  fail_case(__FILE__, __LINE__, "sluice_open");
  return NULL;
}

void accept_offer(sluice_engine* engine, sluice_role role, const char* name, const char* offer, size_t cap,
                  accept_result* out) {
  sluice_accept_request request;
  memset(&request, 0, sizeof request);
  memset(out, 0, sizeof *out);
  request.size = sizeof request;
  request.role = role;
  request.name = name;
  request.offer = offer;
  request.offer_len = strlen(offer);
  out->err.size = sizeof out->err;
  out->accepted.size = sizeof out->accepted;
  out->code = sluice_accept(engine, &request, out->answer, cap, &out->answer_len, &out->accepted, &out->err);
}

int main(void) {
  const test_case* const lists[] = {struct_cases, refusal_cases, relay_cases, call_cases};
  unsigned passed = 0, failed = 0;
  for (size_t list = 0; list < sizeof lists / sizeof lists[0]; ++list) {
    for (const test_case* c = lists[list]; c->name != NULL; ++c) {
      case_failed = 0;
      c->run();
      printf("%s: %s\n", case_failed ? "FAILED" : "ok", c->name);
      fflush(stdout);
      *(case_failed ? &failed : &passed) += 1;
    }
  }
  printf("%u passed, %u failed\n", passed, failed);
  return failed != 0;
}
