#include "tests/capi/client.h"

#include <cstdio>
#include <ctime>
#include <exception>
#include <stdexcept>

#include "tests/capi/caller.h"

using namespace sluice;

struct call_client {
  explicit call_client(unsigned number) : cipher(make_cipher()), caller(number, *cipher) {}

  static std::unique_ptr<srtp::Cipher> make_cipher() {
    auto made = srtp::Cipher::make(srtp::Kind::automatic);
    if (!made) throw std::runtime_error(made.error());
    return std::move(*made);
  }

  std::unique_ptr<srtp::Cipher> cipher;
  load::Caller caller;
  std::string offer = caller.offer();
};

namespace {

Micros monotonic_now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return {t.tv_sec * 1'000'000 + t.tv_nsec / 1000};
}

/// No exception may reach C.
template <class F>
bool works(F&& f) {
  try {
    f();
    return true;
  } catch (const std::exception& x) {
    std::fprintf(stderr, "client: %s\n", x.what());
    return false;
  }
}

}  // namespace

extern "C" {

call_client* client_new(unsigned number) {
  call_client* made = nullptr;
  works([&] { made = new call_client(number); });
  return made;
}

void client_free(call_client* client) { delete client; }

const char* client_offer(const call_client* client) { return client->offer.c_str(); }

int client_answer(call_client* client, const char* sdp, size_t len) {
  return works([&] { client->caller.accept(load::read_answer({sdp, len})); });
}

int client_fd(const call_client* client) { return client->caller.fd(); }

int client_turn(call_client* client) {
  return works([&] {
    const Micros now = monotonic_now();
    client->caller.readable();
    if (client->caller.dialled()) client->caller.tick(now);
    if (client->caller.failed()) throw std::runtime_error("the DTLS handshake failed");
  });
}

int client_connected(const call_client* client) { return client->caller.connected(); }

int client_dismissed(const call_client* client) { return client->caller.dismissed(); }

int client_say(call_client* client) {
  return works([&] { client->caller.send_packet(); });
}

unsigned client_sent(const call_client* client) { return client->caller.sent(); }
unsigned client_returned(const call_client* client) { return client->caller.returned(); }

unsigned client_faults(const call_client* client) {
  return client->caller.twice() + client->caller.out_of_order() + client->caller.damaged();
}

}  // extern "C"
