#include <unistd.h>

#include "engine/capi/handle.h"

using namespace sluice;
using capi::monotonic_now;
using engine::SessionKey;

namespace {

sluice_code put_answer(const std::string& text, char* answer, size_t cap, size_t* len, sluice_error* err) {
  *len = text.size();
  if (text.size() + 1 > cap)
    return capi::report(err,
                        {SLUICE_E_BUFFER, "answer_cap", "the answer does not fit", "give a larger buffer"});
  capi::copy_text(answer, cap, text);
  return SLUICE_OK;
}

}  // namespace

extern "C" {

sluice_code sluice_accept(sluice_engine* e, const sluice_accept_request* request, char* answer,
                          size_t answer_cap, size_t* answer_len, sluice_accepted* out, sluice_error* err) {
  const sluice_accept_request full = capi::take_in(*request, sluice_accept_request{});
  engine::AcceptRequest r;
  r.role = static_cast<engine::Role>(full.role);
  r.name = full.name;
  r.offer = {full.offer, full.offer_len};
  r.takeover = full.takeover != 0;
  auto accepted = e->engine->accept(r, monotonic_now());
  if (!accepted) return capi::report(err, accepted.error());
  if (const auto code = put_answer(accepted->answer, answer, answer_cap, answer_len, err);
      code != SLUICE_OK) {
    // Nothing may be half done: nobody has seen the answer, so the session goes.
    (void)e->engine->hangup(accepted->key, engine::CloseReason::hangup, monotonic_now());
    return code;
  }
  sluice_accepted result{};
  result.session = accepted->key.packed();
  result.ice_generation = accepted->ice_generation;
  capi::hand_out(out, result);
  return SLUICE_OK;
}

sluice_code sluice_trickle(sluice_engine* e, sluice_session session, uint32_t* generation,
                           const char* fragment, size_t fragment_len, char* answer, size_t answer_cap,
                           size_t* answer_len, sluice_error* err) {
  const auto named = *generation == UINT32_MAX ? std::nullopt : std::optional(*generation);
  *answer_len = 0;
  auto t = e->engine->trickle(SessionKey::unpack(session), named, {fragment, fragment_len}, monotonic_now());
  if (!t) return capi::report(err, t.error());
  *generation = t->ice_generation;
  return put_answer(t->answer, answer, answer_cap, answer_len, err);
}

sluice_code sluice_hangup(sluice_engine* e, sluice_session session, sluice_error* err) {
  const auto ok =
      e->engine->hangup(SessionKey::unpack(session), engine::CloseReason::hangup, monotonic_now());
  return ok ? SLUICE_OK : capi::report(err, ok.error());
}

void sluice_drain(sluice_engine* e, unsigned deadline_ms) {
  const Micros now = monotonic_now();
  e->engine->drain(now + millis(deadline_ms), now);
}

size_t sluice_poll_events(sluice_engine* e, sluice_event* out, size_t cap) {
  uint64_t rung = 0;
  [[maybe_unused]] const ssize_t n = ::read(e->event_fd.get(), &rung, sizeof rung);
  e->engine->poll(monotonic_now());
  size_t i = 0;
  engine::Event event;
  while (i < cap && e->engine->next_event(event)) {
    out[i++] = {static_cast<sluice_event_type>(event.kind), event.session.packed(),
                static_cast<sluice_close_reason>(event.reason), event.time.us};
  }
  return i;
}

}  // extern "C"
