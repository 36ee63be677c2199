// A socket that says exactly what a test wants said.
#pragma once

#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "engine/control/http/message.h"

namespace sluice::test {

class WireClient {
 public:
  explicit WireClient(const Endpoint& server) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    REQUIRE(fd_ >= 0);
    const timeval patience{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server.port);
    to.sin_addr.s_addr = htonl(server.addr.v4_host_order());
    REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  }
  WireClient(const WireClient&) = delete;
  WireClient& operator=(const WireClient&) = delete;
  ~WireClient() { ::close(fd_); }

  int fd() const { return fd_; }
  /// False once the server has closed its side for good.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  /// Reads until `what` has come; the text up to and with it, or what there was at the end.
  std::string until(std::string_view what) {
    size_t at = 0;
    while ((at = pending_.find(what)) == std::string::npos && more()) {
    }
    const size_t end = at == std::string::npos ? pending_.size() : at + what.size();
    std::string out = pending_.substr(0, end);
    pending_.erase(0, end);
    return out;
  }
  struct Reply {
    unsigned status = 0;
    std::string head, body;
  };
  /// One reply with Content-Length, or without a body.
  Reply reply() {
    Reply r;
    r.head = until("\r\n\r\n");
    if (r.head.size() < 12) return r;
    r.status = static_cast<unsigned>(std::stoul(r.head.substr(9, 3)));
    const size_t length = http::to_lower(r.head).find("content-length: ");
    if (length == std::string::npos) return r;
    const size_t size = std::stoul(r.head.substr(length + 16));
    while (pending_.size() < size && more()) {
    }
    r.body = pending_.substr(0, size);
    pending_.erase(0, size);
    return r;
  }
  /// True when the server ends the connection; what it still says is thrown away.
  bool closed() {
    while (more()) {
    }
    return end_;
  }

 private:
  bool more() {
    char chunk[4096];
    const ssize_t n = ::recv(fd_, chunk, sizeof chunk, 0);
    end_ = n == 0;
    if (n <= 0) return false;
    pending_.append(chunk, static_cast<size_t>(n));
    return true;
  }

  int fd_;
  std::string pending_;
  bool end_ = false;
};

}  // namespace sluice::test
