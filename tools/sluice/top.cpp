#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <optional>

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "tools/sluice/commands.h"
#include "tools/sluice/top_table.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t interrupted = 0;

/// Keys without Enter and without echo on the alternate screen, undone in any case.
class Terminal {
 public:
  Terminal() {
    tcgetattr(STDIN_FILENO, &saved_);
    termios raw = saved_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    put("\x1b[?1049h\x1b[?25l");
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    put("\x1b[?25h\x1b[?1049l");
    tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
  }

  static void put(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  static void size(TopView& view) {
    winsize w{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0) return;
    view.width = w.ws_col;
    view.height = w.ws_row > 1 ? w.ws_row - 1u : 1u;
  }
  /// A key within the time, 0 if none.
  static char key(int wait_ms) {
    pollfd p{STDIN_FILENO, POLLIN, 0};
    char c = 0;
    if (poll(&p, 1, wait_ms) > 0 && read(STDIN_FILENO, &c, 1) != 1) c = 'q';
    return c;
  }

 private:
  termios saved_{};
};

std::expected<std::string, std::string> get(const ClientOptions& client, std::string_view target) {
  auto reply = request(client, "GET", target);
  if (!reply) return std::unexpected(reply.error());
  if (reply->status == 401 || reply->status == 403)
    return std::unexpected(
        fmt::format("{}: not allowed ({}); give --admin-token @FILE", client.url, reply->status));
  if (reply->status != 200)
    return std::unexpected(fmt::format("{}{}: HTTP status {}", client.url, target, reply->status));
  return std::move(reply->body);
}

std::expected<TopFrame, std::string> fetch(const ClientOptions& client) {
  TopDocuments documents;
  const std::pair<std::string_view, std::string&> parts[] = {{"/v1/engine", documents.engine},
                                                             {"/v1/sessions", documents.sessions},
                                                             {"/v1/shards", documents.shards},
                                                             {"/v1/relay", documents.relay},
                                                             {"/v1/servers", documents.servers}};
  for (const auto& [target, document] : parts) {
    auto body = get(client, target);
    if (!body) return std::unexpected(body.error());
    document = std::move(*body);
  }
  auto frame = parse_frame(documents);
  if (!frame || frame->turn.allocations == 0) return frame;
  const auto page = get(client, "/v1/turn/allocations?limit=200");
  if (!page) return std::unexpected(page.error());
  add_allocations(*frame, *page);
  return frame;
}

void next_sort(TopView& view) {
  const auto* at = std::ranges::find(kSortKeys, view.sort);
  view.sort = std::string(at == std::end(kSortKeys) || at + 1 == std::end(kSortKeys) ? kSortKeys[0] : at[1]);
}

/// Waits for the next round; false: the person wants to leave.
bool wait(TopView& view, Clock::time_point until, bool& redraw) {
  redraw = false;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  if (interrupted != 0) return false;
  if (left <= 0) return true;
  const char key = Terminal::key(static_cast<int>(left));
  if (key == 'q' || interrupted != 0) return false;
  if (key == 's') next_sort(view);
  redraw = key != 0;
  return true;
}

int live(const TopOptions& options) {
  struct sigaction act{};
  act.sa_handler = [](int) { interrupted = 1; };
  sigaction(SIGINT, &act, nullptr);
  sigaction(SIGTERM, &act, nullptr);
  const Terminal terminal;
  TopView view;
  view.colour = true;
  view.sort = options.sort;
  std::optional<TopFrame> before;
  auto before_at = Clock::now();
  while (interrupted == 0) {
    const auto started = Clock::now();
    auto frame = fetch(options.client);
    view.before = before ? &*before : nullptr;
    view.seconds = std::chrono::duration<double>(started - before_at).count();
    bool redraw = true;
    bool stay = true;
    while (stay && (redraw || Clock::now() < started + std::chrono::milliseconds(options.interval_ms))) {
      Terminal::size(view);
      const std::string text = frame ? render_top(*frame, view) : frame.error() + "\n";
      if (redraw) Terminal::put("\x1b[H\x1b[2J" + text + "q quit   s sort");
      stay = wait(view, started + std::chrono::milliseconds(options.interval_ms), redraw);
    }
    if (!stay) break;
    if (frame) {
      before = std::move(*frame);
      before_at = started;
    }
  }
  return 0;
}

}  // namespace

int top(const TopOptions& options) {
  if (const auto typed = check_typed(options.client); !typed) {
    fmt::print(stderr, "sluice top: {}\n", typed.error());
    return 2;
  }
  if (!options.once && isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0) return live(options);
  const auto frame = fetch(options.client);
  if (!frame) {
    fmt::print(stderr, "sluice top: {}\n", frame.error());
    return 1;
  }
  TopView view;
  view.width = 240;
  view.height = 0;
  view.sort = options.sort;
  fmt::print("{}", render_top(*frame, view));
  return 0;
}

}  // namespace sluice
