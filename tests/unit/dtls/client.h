// The DTLS client of tools/client in the tests' virtual time.
#pragma once

#include "net/base/units.h"
#include "tools/client/dtls.h"

namespace sluice::test {

using client::Client;
using client::ClientOptions;
using client::Datagram;

/// What gettimeofday() says in the whole program, for OpenSSL's client timers (virtual_time.cpp; programs
/// that run in real time leave it out).
void set_virtual_time(Micros now);

}  // namespace sluice::test
