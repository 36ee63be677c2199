#include <chrono>
#include <cstdio>
#include <thread>

#include <fmt/format.h>

#include "tools/sluice/commands.h"

namespace sluice {

int drain(const DrainOptions& options) {
  if (const auto typed = check_typed(options.client); !typed) {
    fmt::print(stderr, "sluice drain: {}\n", typed.error());
    return 2;
  }
  const auto reply = request(options.client, "POST", "/v1/drain");
  if (!reply || reply->status != 202) {
    const std::string why = !reply ? reply.error()
                            : reply->status == 401
                                ? options.client.url + ": not allowed; give --admin-token @FILE"
                                : fmt::format("{}: HTTP status {}", options.client.url, reply->status);
    fmt::print(stderr, "sluice drain: {}\n", why);
    return 1;
  }
  fmt::print("draining: no new sessions\n");
  std::fflush(stdout);
  // It is gone once nobody answers any more.
  while (options.wait && request(options.client, "GET", "/healthz"))
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  if (options.wait) fmt::print("drained\n");
  return 0;
}

}  // namespace sluice
