// Arbitrary datagrams to a DTLS server in each of its states, and to the record reader.
// Input: one byte that chooses the state, then datagrams, each behind a length of two bytes.
#include <algorithm>
#include <cstdlib>

#include "net/base/bytes.h"
#include "net/dtls/context.h"
#include "net/dtls/fingerprint.h"
#include "net/dtls/record.h"
#include "net/dtls/server.h"
#include "tests/unit/dtls/client.h"

using namespace sluice;

namespace {

void must(bool ok) {
  if (!ok) std::abort();
}

const dtls::Context& context() {
  static const dtls::Context c = [] {
    const auto identity = dtls::Identity::generate(1'700'000'000);
    return std::move(dtls::Context::make(identity.value()).value());
  }();
  return c;
}

enum class Start : uint8_t { fresh, hello_answered, connected };

/// Plays an honest client up to `start`.
dtls::Server server_at(Start start, Micros now) {
  test::Client client;
  dtls::Server server(context(), client.fingerprint());
  if (start == Start::fresh) return server;
  dtls::Output out;
  client.start();
  for (int i = 0; i < 4; ++i) {
    for (const auto& d : client.take()) server.input(d, now, out);
    if (start == Start::hello_answered) break;
    for (size_t k = 0; k < out.size(); ++k) client.input(out[k]);
    out.clear();
  }
  must(server.state() == (start == Start::connected ? dtls::State::connected : dtls::State::handshaking));
  return server;
}

void read_records(Bytes datagram) {
  size_t used = 0;
  dtls::RecordReader reader(datagram);
  while (const auto r = reader.next()) used += dtls::kRecordHeader + r->fragment.size();
  must(used <= datagram.size());
  must(dtls::well_formed(datagram) == (!datagram.empty() && used == datagram.size()));
  if (dtls::looks_like_client_retransmission(datagram) || dtls::is_alert(datagram)) must(used > 0);
}

void check(const dtls::Server& server, Start start, const dtls::Output& out) {
  for (size_t i = 0; i < out.size(); ++i) must(out[i].size() <= dtls::kMtu && dtls::well_formed(out[i]));
  must(out.lost() == 0);
  // Nobody gets in without the key of the certificate that was named.
  if (start != Start::connected) must(server.state() != dtls::State::connected);
  must((server.state() == dtls::State::failed) == (server.failure() != dtls::Failure::none));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader in({data, size});
  const auto start = static_cast<Start>(in.u8() % 3);
  Micros now = seconds(1);
  dtls::Server server = server_at(start, now);
  dtls::Output out;
  while (in.left() > 2) {
    const Bytes datagram = in.take(std::min<size_t>(in.u16(), in.left()));
    read_records(datagram);
    server.input(datagram, now, out);
    check(server, start, out);
    now += millis(150);
    server.timeout(now, out);
    check(server, start, out);
    out.clear();
  }
  return 0;
}
