#include "engine/capi/streams.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::capi {
namespace {

using engine::Failure;
using engine::relay::TurnConfig;

bool serves_ipv4_too(const std::vector<Endpoint>& all, const Endpoint& wildcard) {
  return std::ranges::none_of(all, [&](const Endpoint& e) {
    return e.is_v4() && e.addr.is_unspecified() && e.port == wildcard.port;
  });
}

bool is_v6_wildcard(const Endpoint& e) { return !e.is_v4() && e.addr.is_unspecified(); }

/// A port that somebody else has costs those clients that UDP does not reach, no one else.
void open_tcp(sluice_engine& e) {
  const auto bound = e.sockets.bound();
  const std::vector<Endpoint> all(bound.begin(), bound.end());
  for (const Endpoint& at : all) {
    const bool v6_only = is_v6_wildcard(at) && !serves_ipv4_too(all, at);
    auto listener = slow::listen_stream(at, false, v6_only);
    if (listener)
      e.stream_listeners.push_back(std::move(*listener));
    else
      e.say(2, fmt::format("streams: none by {} ({})", listener.error().message, listener.error().fix));
  }
}

std::expected<void, Failure> open_tls(TurnConfig& turn, sluice_engine& e) {
  if (!turn.on || turn.tls_listen.empty()) return {};
  auto tls = slow::TlsContext::make(turn.tls_cert, turn.tls_key);
  if (!tls)
    return std::unexpected(Failure{SLUICE_E_IO, "turn_tls_cert_file", tls.error().message, tls.error().fix});
  e.stream_tls = std::move(*tls);
  std::vector<Endpoint> bound;
  for (const Endpoint& at : turn.tls_listen) {
    auto listener = slow::listen_stream(at, true);
    if (listener) {
      bound.push_back(listener->bound);
      e.stream_listeners.push_back(std::move(*listener));
    } else if (turn.tls_asked) {
      return std::unexpected(
          Failure{SLUICE_E_IO, "turn_tls", listener.error().message, listener.error().fix});
    } else {
      e.say(2, fmt::format("TURN over TLS: off ({})", listener.error().message));
    }
  }
  turn.tls_listen = std::move(bound);
  return {};
}

}  // namespace

std::expected<void, Failure> open_streams(ParsedConfig& c, sluice_engine& e) {
  engine::EngineConfig& config = c.engine;
  if (!config.media && !config.turn.on) config.max_streams = 0;
  if (config.max_streams == 0) {
    config.turn.tls_listen.clear();
    return {};
  }
  open_tcp(e);
  if (auto ok = open_tls(config.turn, e); !ok) return ok;
  if (e.stream_listeners.empty()) config.max_streams = 0;
  return {};
}

std::vector<Endpoint> tcp_bound(const sluice_engine& e) {
  std::vector<Endpoint> out;
  for (const slow::StreamListener& l : e.stream_listeners)
    if (!l.tls) out.push_back(l.bound);
  return out;
}

std::expected<void, Failure> make_stream_worker(sluice_engine& e) {
  const engine::EngineConfig& config = e.engine->config();
  if (config.max_streams == 0) return {};
  slow::StreamLimits limits;
  limits.max_streams = config.max_streams;
  limits.admission.per_address = std::max(config.max_streams / 4, 1U);
  auto worker = slow::StreamWorker::make(std::move(e.stream_listeners), std::move(e.stream_tls),
                                         e.engine->stream_ports(),
                                         {.ice = config.media, .turn = config.turn.on}, limits);
  if (!worker)
    return std::unexpected(Failure{SLUICE_E_IO, "", worker.error(), "raise the limit of open files"});
  e.streams = std::move(*worker);
  std::string text = "streams:";
  EndpointText at;
  for (const bool tls : {false, true})
    for (const Endpoint& l : e.streams->listening(tls))
      text += fmt::format(" {} {},", tls ? "TLS" : "TCP", format(l, at));
  e.say(1, fmt::format("{} at most {} at once", text, config.max_streams));
  return {};
}

}  // namespace sluice::capi

extern "C" void sluice_get_stream_stats(sluice_engine* e, sluice_stream_stats* out) {
  using namespace sluice;
  if (out->size == 0) return;
  (void)capi::guarded(nullptr, [&] {
    sluice_stream_stats s{};
    s.max_streams = e->engine->config().max_streams;
    const slow::StreamCounters n = e->streams != nullptr ? e->streams->counters() : slow::StreamCounters{};
    s.open = n.open;
    s.open_tls = n.open_tls;
    s.accepted = n.accepted;
    s.accepted_tls = n.accepted_tls;
    s.ice = n.ice;
    s.turn = n.turn;
    s.rx_datagrams = n.datagrams_in;
    s.rx_bytes = n.bytes_in;
    s.tx_datagrams = n.datagrams_out;
    s.tx_bytes = n.bytes_out;
    s.queued_bytes = n.queued;
    s.refused_full = n.of(slow::StreamRefusal::full);
    s.refused_address = n.of(slow::StreamRefusal::address);
    s.refused_rate = n.of(slow::StreamRefusal::rate);
    s.refused_files = n.of(slow::StreamRefusal::files);
    s.ended_peer = n.of(slow::StreamEnd::peer);
    s.ended_shard = n.of(slow::StreamEnd::shard);
    s.ended_silent = n.of(slow::StreamEnd::silent);
    s.ended_idle = n.of(slow::StreamEnd::idle);
    s.ended_malformed = n.of(slow::StreamEnd::malformed);
    s.ended_tls = n.of(slow::StreamEnd::tls);
    s.ended_broken = n.of(slow::StreamEnd::broken);
    s.dropped_ring_full = n.of(slow::StreamDrop::ring_full);
    s.dropped_slow_reader = n.of(slow::StreamDrop::slow_reader);
    s.dropped_gone = n.of(slow::StreamDrop::gone);
    s.dropped_oversize = n.of(slow::StreamDrop::oversize);
    capi::hand_out(out, s);
    return SLUICE_OK;
  });
}
