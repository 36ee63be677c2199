// A TCP socket that listens, for the streams worker. Control thread, at start.
#pragma once

#include <expected>

#include "net/base/endpoint.h"
#include "net/io/backend.h"
#include "net/io/socket.h"

namespace sluice::slow {

struct StreamListener {
  io::Fd fd;
  Endpoint bound;  ///< with the port that was really bound
  bool tls = false;
};

/// `e` may be a wildcard; "[::]" serves IPv4 too, as for UDP, unless `v6_only`. Port 0: any.
std::expected<StreamListener, io::IoError> listen_stream(const Endpoint& e, bool tls, bool v6_only = false);

}  // namespace sluice::slow
