// The streams worker against real sockets on loopback, a turn at a time.
#include "engine/slow/streams.h"

#include <algorithm>

#include "tests/unit/slow/stream_rig.h"

using namespace sluice;
using namespace sluice::test;
using slow::StreamDrop;
using slow::StreamEnd;
using slow::StreamRefusal;

namespace {

Buffer bytes_of(const slow::FromStream& m) { return {m.data, m.data + m.len}; }

Buffer media(size_t n, uint8_t mark) {
  Buffer m(n, mark);
  m[0] = 0x80;
  return m;
}

/// The RFC 4571 frames in `stream`; what is left of it must be none.
std::vector<Buffer> frames_of(const Buffer& stream) {
  std::vector<Buffer> out;
  for (size_t at = 0; at < stream.size();) {
    REQUIRE(stream.size() - at >= 2);
    const size_t n = load_be<uint16_t>(&stream[at]);
    REQUIRE(stream.size() - at >= 2 + n);
    const auto begin = stream.begin() + static_cast<std::ptrdiff_t>(at + 2);
    out.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(n));
    at += 2 + n;
  }
  return out;
}

}  // namespace

TEST_CASE(
    "datagrams framed by RFC 4571 reach the shard under the stream's name, and its answers the client") {
  StreamRig rig;
  StreamClient client(rig.at);
  client.send(framed(stun_request(7)));
  client.send(framed(media(100, 9)));
  rig.until([&] { return rig.shard().datagrams() == 2; });
  const slow::FromStream first = rig.shard().heard[0];
  CHECK(bytes_of(first) == stun_request(7));
  CHECK(bytes_of(rig.shard().heard[1]) == media(100, 9));
  CHECK(is_stream(first.stream.ifindex()));
  CHECK_FALSE(is_turn_stream(first.stream.ifindex()));
  CHECK(first.local == rig.at);
  CHECK(first.remote.addr == rig.at.addr);
  CHECK(first.remote.port != rig.at.port);
  CHECK(rig.shard().wakes > 0);

  rig.shard().send(first.stream, stun_request(1));
  rig.shard().send(first.stream, media(1200, 2));
  rig.until([&] { return client.receive(), client.received.size() >= 2 + 20 + 2 + 1200; });
  CHECK(frames_of(client.received) == Buffers{stun_request(1), media(1200, 2)});

  client.close();
  rig.until([&] { return rig.shard().closed() == 1; });
  CHECK(rig.shard().heard.back().stream == first.stream);
  CHECK(rig.shard().heard.back().remote == first.remote);
  CHECK(rig.ended(StreamEnd::peer) == 1);
  const slow::StreamCounters n = rig.worker->counters();
  CHECK(n.open == 0);
  CHECK(n.accepted == 1);
  CHECK(n.ice == 1);
  CHECK(n.datagrams_in == 2);
  CHECK(n.datagrams_out == 2);
  CHECK(n.queued == 0);
}

TEST_CASE("TURN's messages go as they are, padded") {
  StreamRig rig;
  StreamClient client(rig.at);
  client.send(stun_request(3));
  rig.until([&] { return rig.shard().datagrams() == 1; });
  const slow::StreamId id = rig.shard().heard[0].stream;
  CHECK(is_turn_stream(id.ifindex()));
  CHECK(bytes_of(rig.shard().heard[0]) == stun_request(3));
  const Buffer channel{0x40, 0x01, 0, 5, 'h', 'e', 'l', 'l', 'o'};
  rig.shard().send(id, channel);
  rig.until([&] { return client.receive(), client.received.size() >= 12; });
  Buffer padded = channel;
  padded.resize(12);
  CHECK(client.received == padded);
}

TEST_CASE("what is not served is closed, and no shard hears of it") {
  const auto closes = [](const StreamRigOptions& o, const Buffer& first) {
    StreamRig rig(o);
    StreamClient client(rig.at);
    client.send(first);
    rig.until([&] { return client.receive(), client.ended; });
    CHECK(rig.shard().heard.empty());
    CHECK(rig.ended(StreamEnd::malformed) == 1);
  };
  StreamRigOptions only_ice, only_turn;
  only_ice.services.turn = only_turn.services.ice = false;
  closes(only_ice, stun_request());
  closes(only_turn, framed(stun_request()));
  const std::string http = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  closes({}, Buffer(http.begin(), http.end()));
  closes({}, Buffer(1000, 0));
  closes({}, Buffer(1000, 0xff));
}

TEST_CASE("a stream that turns to garbage is closed, and its shard hears it after all messages before") {
  StreamRig rig;
  StreamClient client(rig.at);
  client.send(stun_request());
  client.send(Buffer(100, 0xee));
  rig.until([&] { return rig.shard().closed() == 1; });
  CHECK(rig.shard().datagrams() == 1);
  CHECK(rig.shard().heard.back().type == slow::FromStream::Type::closed);
  CHECK(rig.ended(StreamEnd::malformed) == 1);
}

TEST_CASE("who sends half a message and waits is closed when his time is over") {
  StreamRigOptions o;
  o.limits.first_message = millis(1);
  StreamRig rig(o);
  StreamClient silent(rig.at), half(rig.at);
  Buffer first = framed(stun_request());
  first.resize(15);
  half.send(first);
  rig.until([&] { return silent.receive(), half.receive(), silent.ended && half.ended; });
  CHECK(rig.ended(StreamEnd::silent) == 2);
  CHECK(rig.shard().heard.empty());
}

TEST_CASE("a stream on which nothing comes for long is closed, of each kind after its own time") {
  StreamRigOptions o;
  o.limits.idle_ice = millis(1);
  StreamRig rig(o);
  StreamClient ice(rig.at), turn(rig.at);
  turn.send(stun_request());
  ice.send(framed(stun_request()));
  rig.until([&] { return rig.shard().closed() == 1; });
  ice.receive(), turn.receive();
  CHECK(ice.ended);
  CHECK_FALSE(turn.ended);
  CHECK(rig.ended(StreamEnd::idle) == 1);
}

TEST_CASE("an address has no more streams than it may, and gets another when one ends") {
  StreamRigOptions o;
  o.limits.admission.per_address = 2;
  StreamRig rig(o);
  StreamClient a(rig.at), b(rig.at);
  rig.greet(a), rig.greet(b);
  StreamClient c(rig.at);
  rig.until([&] { return c.receive(), c.ended; });
  CHECK(rig.refused(StreamRefusal::address) == 1);
  a.close();
  rig.until([&] { return rig.shard().closed() == 1; });
  StreamClient d(rig.at);
  rig.greet(d);
  CHECK(rig.worker->counters().open == 2);
}

TEST_CASE("an address that opens streams too fast is refused") {
  StreamRigOptions o;
  o.limits.admission = {.per_address = 1000, .per_second = 1, .burst = 3};
  StreamRig rig(o);
  std::vector<std::unique_ptr<StreamClient>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(std::make_unique<StreamClient>(rig.at));
  rig.until([&] { return rig.worker->counters().accepted + rig.refused(StreamRefusal::rate) == 8; });
  CHECK(rig.refused(StreamRefusal::rate) >= 3);
  CHECK(rig.worker->counters().accepted >= 3);
}

TEST_CASE("a flood of connections beyond the table is refused, and those that are open go on") {
  StreamRigOptions o;
  o.limits.max_streams = 4;
  StreamRig rig(o);
  StreamClient served(rig.at);
  const slow::StreamId id = rig.greet(served);
  std::vector<std::unique_ptr<StreamClient>> flood;
  for (int i = 0; i < 100; ++i) flood.push_back(std::make_unique<StreamClient>(rig.at));
  rig.until([&] { return rig.refused(StreamRefusal::full) == 97; });
  rig.shard().send(id, media(50, 1));
  rig.until([&] { return served.receive(), served.received.size() == 52; });
  CHECK(rig.worker->counters().open == 4);
}

TEST_CASE("a slow reader loses whole messages and blocks nobody; what it reads later is in step") {
  StreamRigOptions o;
  o.ring = 1024;
  StreamRig rig(o);
  StreamClient slow_one(rig.at, 4096), other(rig.at);
  const slow::StreamId slow_id = rig.greet(slow_one), other_id = rig.greet(other);
  for (int round = 0; rig.dropped(StreamDrop::slow_reader) < 100; ++round) {
    REQUIRE(round < 100);
    for (int i = 0; i < 100; ++i) rig.shard().send(slow_id, media(1000, static_cast<uint8_t>(round)));
    rig.until([&] { return rig.shard().to->size_approx() == 0; });
  }
  CHECK(rig.worker->counters().queued <= o.limits.send_queue);
  rig.shard().send(other_id, media(70, 5));
  rig.until([&] { return other.receive(), !other.received.empty(); });
  CHECK(frames_of(other.received) == Buffers{media(70, 5)});
  rig.until([&] { return slow_one.receive(), rig.worker->counters().queued == 0; });
  rig.shard().send(slow_id, media(80, 0xaa));
  rig.until(
      [&] { return slow_one.receive(), !slow_one.received.empty() && slow_one.received.back() == 0xaa; });
  const auto frames = frames_of(slow_one.received);
  CHECK(frames.size() == rig.worker->counters().datagrams_out - 1);
  CHECK(frames.back() == media(80, 0xaa));
}

TEST_CASE("what is sent to a stream that has ended does not reach the next one in its place") {
  StreamRigOptions o;
  o.limits.max_streams = 1;
  StreamRig rig(o);
  auto first = std::make_unique<StreamClient>(rig.at);
  const slow::StreamId old = rig.greet(*first);
  first.reset();
  rig.until([&] { return rig.shard().closed() == 1; });
  StreamClient second(rig.at);
  const slow::StreamId id = rig.greet(second);
  CHECK(id.index() == old.index());
  CHECK(id != old);
  rig.shard().send(old, media(30, 1));
  rig.shard().close(old);
  rig.shard().send(id, media(40, 2));
  rig.until([&] { return second.receive(), second.received.size() >= 42; });
  CHECK(frames_of(second.received) == Buffers{media(40, 2)});
  CHECK(rig.dropped(StreamDrop::gone) == 1);
  CHECK_FALSE(second.ended);
}

TEST_CASE("a shard's close lets go out what was sent before") {
  StreamRig rig;
  StreamClient client(rig.at);
  const slow::StreamId id = rig.greet(client);
  for (int i = 0; i < 20; ++i) rig.shard().send(id, media(1500, 1));
  rig.shard().close(id);
  rig.until([&] { return client.receive(), client.ended; });
  CHECK(frames_of(client.received).size() == 20);
  CHECK(rig.ended(StreamEnd::shard) == 1);
}

TEST_CASE("a shard that is behind loses datagrams, but no word of an end") {
  StreamRigOptions o;
  o.ring = 4;
  StreamRig rig(o);
  StreamClient client(rig.at);
  for (int i = 0; i < 10; ++i) client.send(framed(stun_request()));
  client.close();
  // The shard does not look.
  while (rig.ended(StreamEnd::peer) == 0) rig.worker->run_once(millis(2));
  CHECK(rig.dropped(StreamDrop::ring_full) == 6);
  rig.until([&] { return rig.shard().closed() == 1; });
  CHECK(rig.shard().datagrams() == 4);
}

TEST_CASE("streams are spread over shards by their names, and any shard may answer") {
  StreamRigOptions o;
  o.shards = 3;
  StreamRig rig(o);
  std::vector<std::unique_ptr<StreamClient>> clients;
  for (size_t i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<StreamClient>(rig.at));
    const slow::StreamId id = rig.greet(*clients.back(), i % 3);
    CHECK(id.shard(3) == i % 3);
    rig.shard((i + 1) % 3).send(id, media(60, static_cast<uint8_t>(i)));
  }
  rig.until([&] {
    for (const auto& c : clients) c->receive();
    return std::ranges::all_of(clients, [](const auto& c) { return c->received.size() == 62; });
  });
  for (uint8_t i = 0; i < 6; ++i) CHECK(frames_of(clients[i]->received) == Buffers{media(60, i)});
}

TEST_CASE("TURN over TLS: a handshake, messages both ways, an end") {
  StreamRigOptions o;
  o.tls = true;
  StreamRig rig(o);
  StreamClient client(rig.at);
  client.begin_tls();
  rig.until([&] { return client.tls_done(); });
  client.send(stun_request(4));
  rig.until([&] { return rig.shard().datagrams() == 1; });
  CHECK(bytes_of(rig.shard().heard[0]) == stun_request(4));
  const slow::StreamId id = rig.shard().heard[0].stream;
  Buffer answer;
  for (uint8_t i = 0; i < 40; ++i) {
    const Buffer part{0x40, 0x01, 0, 8, i, 1, 2, 3, 4, 5, 6, 7};
    rig.shard().send(id, part);
    answer.insert(answer.end(), part.begin(), part.end());
  }
  rig.until([&] { return client.receive(), client.received.size() >= answer.size(); });
  CHECK(client.received == answer);
  CHECK(rig.worker->counters().open_tls == 1);
  client.close();
  rig.until([&] { return rig.shard().closed() == 1; });
  CHECK(rig.worker->counters().open_tls == 0);
}

TEST_CASE("what is no TLS, or ICE inside it, is closed") {
  StreamRigOptions o;
  o.tls = true;
  StreamRig rig(o);
  StreamClient plain(rig.at), ice(rig.at);
  plain.send(stun_request());
  rig.until([&] { return plain.receive(), plain.ended; });
  CHECK(rig.ended(StreamEnd::tls) == 1);
  ice.begin_tls();
  rig.until([&] { return ice.tls_done(); });
  ice.send(framed(stun_request()));
  rig.until([&] { return ice.receive(), ice.ended; });
  CHECK(rig.ended(StreamEnd::malformed) == 1);
  CHECK(rig.shard().heard.empty());
}

TEST_CASE("a certificate that is not there, or not the key's, is said") {
  const SelfSigned a, b;
  CHECK(slow::TlsContext::make(a.cert(), a.key()));
  const auto missing = slow::TlsContext::make("/nowhere/cert.pem", a.key());
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message.find("/nowhere/cert.pem") != std::string::npos);
  const auto foreign = slow::TlsContext::make(a.cert(), b.key());
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().message.find(b.key()) != std::string::npos);
}

TEST_CASE("a port that another program has is said") {
  const auto first = slow::listen_stream({Address::v4(127, 0, 0, 1), 0}, false);
  REQUIRE(first);
  const auto second = slow::listen_stream(first->bound, false);
  REQUIRE_FALSE(second);
  CHECK(second.error().message.find("in use") != std::string::npos);
  CHECK(second.error().fix.find("ss -tlpn") != std::string::npos);
}

TEST_CASE("a wildcard of IPv6 serves IPv4 too, whose addresses it shows as such") {
  const auto made = slow::listen_stream({Address{}, 0}, false);
  REQUIRE(made);
  CHECK(made->bound.port != 0);
}
