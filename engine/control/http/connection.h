// One client's connection: requests in, responses out, until it is idle, broken or closed. Control thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "engine/control/http/server.h"
#include "engine/control/http/service.h"

namespace sluice::http {

/// Serves the socket until the connection ends. `tls`: nullptr for plain HTTP. Everything passed outlives it.
boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls,
                                   Service& service, const ServerOptions& options);

Endpoint to_endpoint(const boost::asio::ip::tcp::endpoint& e);

}  // namespace sluice::http
