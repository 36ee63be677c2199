#include <expected>
#include <utility>

#include <unistd.h>

#include "engine/capi/handle.h"

using namespace sluice;
using capi::guarded;
using capi::monotonic_now;
using engine::SessionKey;

namespace {

/// What a C caller may pass and the engine may not see.
std::expected<engine::AcceptRequest, engine::Failure> read_request(const sluice_accept_request& c) {
  const auto invalid = [](const char* field, const char* message, const char* fix) {
    return std::unexpected(engine::Failure{SLUICE_E_INVALID, field, message, fix});
  };
  if (static_cast<unsigned>(c.role) > SLUICE_AGENT)
    return invalid("role", "there is no such role", "use SLUICE_PUBLISH, SLUICE_PLAY or SLUICE_AGENT");
  if (c.name == nullptr) return invalid("name", "the name is missing", "name the room or agent");
  if (c.offer == nullptr) return invalid("offer", "the offer is missing", "pass the client's SDP");
  engine::AcceptRequest r;
  r.role = static_cast<engine::Role>(c.role);
  r.name = c.name;
  r.offer = {c.offer, c.offer_len};
  r.takeover = c.takeover != 0;
  return r;
}

}  // namespace

extern "C" {

sluice_code sluice_accept(sluice_engine* e, const sluice_accept_request* request, char* answer,
                          size_t answer_cap, size_t* answer_len, sluice_accepted* out, sluice_error* err) {
  *answer_len = 0;
  return guarded(err, [&] {
    for (const auto& [what, size] : {std::pair{"request.size", request->size}, {"out.size", out->size}})
      if (const auto ok = capi::check_size(what, size); !ok) return capi::report(err, ok.error());
    const auto r = read_request(capi::take_in(*request, sluice_accept_request{}));
    if (!r) return capi::report(err, r.error());
    auto accepted = e->engine->accept(*r, monotonic_now());
    if (!accepted) return capi::report(err, accepted.error());
    const auto code = capi::put_text(accepted->answer, answer, answer_cap, answer_len, "answer_cap", err);
    // Nothing may be half done: nobody has seen the answer, so the session goes.
    if (code != SLUICE_OK)
      (void)e->engine->hangup(accepted->key, engine::CloseReason::hangup, monotonic_now());
    capi::ring_for_events(*e);
    if (code != SLUICE_OK) return code;
    sluice_accepted result{};
    result.session = accepted->key.packed();
    result.ice_generation = accepted->ice_generation;
    capi::hand_out(out, result);
    return SLUICE_OK;
  });
}

sluice_code sluice_trickle(sluice_engine* e, sluice_session session, uint32_t* generation,
                           const char* fragment, size_t fragment_len, char* answer, size_t answer_cap,
                           size_t* answer_len, sluice_error* err) {
  *answer_len = 0;
  return guarded(err, [&] {
    const auto named = *generation == UINT32_MAX ? std::nullopt : std::optional(*generation);
    const size_t max = answer_cap > 0 ? answer_cap - 1 : 0;
    auto t = e->engine->trickle(SessionKey::unpack(session), named, {fragment, fragment_len}, max,
                                monotonic_now());
    if (!t) return capi::report(err, t.error());
    *generation = t->ice_generation;
    return t->answer.empty() ? SLUICE_OK
                             : capi::put_text(t->answer, answer, answer_cap, answer_len, "answer_cap", err);
  });
}

sluice_code sluice_hangup(sluice_engine* e, sluice_session session, sluice_error* err) {
  return guarded(err, [&] {
    const auto ok =
        e->engine->hangup(SessionKey::unpack(session), engine::CloseReason::hangup, monotonic_now());
    if (!ok) return capi::report(err, ok.error());
    capi::ring_for_events(*e);
    return SLUICE_OK;
  });
}

void sluice_drain(sluice_engine* e, unsigned deadline_ms) {
  (void)guarded(nullptr, [&] {
    const Micros now = monotonic_now();
    e->engine->drain(now + millis(deadline_ms), now);
    return SLUICE_OK;
  });
}

size_t sluice_poll_events(sluice_engine* e, sluice_event* out, size_t cap) {
  uint64_t rung = 0;
  [[maybe_unused]] const ssize_t n = ::read(e->event_fd.get(), &rung, sizeof rung);
  // Not before everything was taken: the statistics of a session that ended live until the poll after the one
  // that says so.
  size_t i = 0;
  (void)guarded(nullptr, [&] {
    if (!e->engine->has_events()) {
      const Micros now = monotonic_now();
      e->engine->follow_wall_clock(capi::unix_now_us() - now.us);
      e->engine->poll(now);
      if (const auto line = e->engine->port_warning(now); line && e->log != nullptr)
        e->log(e->log_user, 2, line->c_str());
    }
    engine::Event event;
    while (i < cap && e->engine->next_event(event)) {
      out[i++] = {static_cast<sluice_event_type>(event.kind), event.session.packed(),
                  static_cast<sluice_close_reason>(event.reason), event.time.us};
    }
    return SLUICE_OK;
  });
  capi::ring_for_events(*e);
  return i;
}

}  // extern "C"
