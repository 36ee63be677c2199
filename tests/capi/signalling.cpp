#include "tests/capi/signalling.h"

#include <stdexcept>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sluice::load {
namespace {

struct Socket {
  int fd;
  explicit Socket(int f) : fd(f) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(fd); }
};

/// One request on a connection of its own; the whole response, head and body.
std::string exchange(const Endpoint& http, std::string_view method, std::string_view path,
                     std::string_view body) {
  const Socket s(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(http.port);
  to.sin_addr.s_addr = htonl(http.addr.v4_host_order());
  if (connect(s.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    throw std::runtime_error("cannot connect to the HTTP port");
  EndpointText text;
  const std::string request = fmt::format(
      "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/sdp\r\n"
      "Content-Length: {}\r\n\r\n{}",
      method, path, format(http, text), body.size(), body);
  if (send(s.fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    throw std::runtime_error("cannot send a request");
  std::string response;
  char chunk[8192];
  for (ssize_t n; (n = recv(s.fd, chunk, sizeof chunk, 0)) > 0;)
    response.append(chunk, static_cast<size_t>(n));
  return response;
}

/// The rest of the first line that starts with `prefix`; empty if there is none.
std::string line_after(std::string_view text, std::string_view prefix) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find("\r\n", at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(prefix)) return std::string(line.substr(prefix.size()));
    at = end + 2;
  }
  return {};
}

/// "1 1 udp 2130706431 10.0.0.1 3478 typ host": fields 4 and 5.
Endpoint endpoint_of(std::string_view candidate) {
  std::string_view field[6];
  for (std::string_view& f : field) {
    const size_t end = std::min(candidate.find(' '), candidate.size());
    f = candidate.substr(0, end);
    candidate.remove_prefix(std::min(end + 1, candidate.size()));
  }
  const auto e = parse_endpoint(fmt::format("{}:{}", field[4], field[5]));
  if (!e) throw std::runtime_error("the first candidate of the answer is no IPv4 address");
  return *e;
}

}  // namespace

std::string offer_of(std::string_view ufrag, std::string_view pwd, std::string_view fingerprint) {
  return fmt::format(
      "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
      "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
      "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:{}\r\na=setup:actpass\r\na=rtpmap:111 "
      "opus/48000/2\r\n",
      ufrag, pwd, fingerprint);
}

Answer read_answer(std::string_view sdp) {
  return {.location = line_after(sdp, "Location: "),
          .ufrag = line_after(sdp, "a=ice-ufrag:"),
          .pwd = line_after(sdp, "a=ice-pwd:"),
          .server = endpoint_of(line_after(sdp, "a=candidate:"))};
}

Answer post_offer(const Endpoint& http, const std::string& path, const std::string& offer) {
  const std::string response = exchange(http, "POST", path, offer);
  if (!response.starts_with("HTTP/1.1 201")) throw std::runtime_error("the server says: " + response);
  return read_answer(response);
}

void hang_up(const Endpoint& http, const std::string& location) { exchange(http, "DELETE", location, {}); }

}  // namespace sluice::load
