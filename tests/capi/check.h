/* Test cases of a program in C, and what they share. */
#ifndef SLUICE_TESTS_CAPI_CHECK_H
#define SLUICE_TESTS_CAPI_CHECK_H

#include <stddef.h>

#include "engine/sluice.h"

/* Notes that the case has failed. */
void fail_case(const char* file, int line, const char* what);

/* Goes on after a failure. */
#define CHECK(condition) ((condition) ? (void)0 : fail_case(__FILE__, __LINE__, #condition))
/* Ends the function after a failure. */
#define REQUIRE(condition)                       \
  do {                                           \
    if (!(condition)) {                          \
      fail_case(__FILE__, __LINE__, #condition); \
      return;                                    \
    }                                            \
  } while (0)

typedef struct test_case {
  const char* name;
  void (*run)(void);
} test_case;

/* Each list ends with a NULL name. */
extern const test_case call_cases[];
extern const test_case refusal_cases[];
extern const test_case relay_cases[];
extern const test_case struct_cases[];

/* Loopback, any port, one shard, room for 8 sessions; the caller may change it before sluice_open(). */
sluice_config test_config(sluice_io io);
/* NULL, and the case failed, if it does not open. */
sluice_engine* open_engine(const sluice_config* config);

/* An answer and all that sluice_accept() says. */
typedef struct accept_result {
  sluice_code code;
  sluice_error err;
  sluice_accepted accepted;
  char answer[16384];
  size_t answer_len;
} accept_result;

/* `cap`: at most sizeof answer. */
void accept_offer(sluice_engine* engine, sluice_role role, const char* name, const char* offer, size_t cap,
                  accept_result* out);

#endif
