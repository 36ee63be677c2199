#include "engine/control/http/static.h"

#include <array>
#include <fstream>
#include <iterator>

#include "engine/control/http/etag.h"

namespace sluice::http {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kTypes{{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".wav", "audio/wav"},
    {".txt", "text/plain; charset=utf-8"},
}};

Response not_found() { return problem({404, "path", "There is no such file.", "The console is at /."}); }

std::string relative(const Target& target) {
  return target.segments.empty() ? "index.html" : target.path().substr(1);
}

}  // namespace

std::string_view content_type_of(std::string_view path) {
  for (const auto& [suffix, type] : kTypes)
    if (path.ends_with(suffix)) return type;
  return "application/octet-stream";
}

void add_page_headers(Response& response) {
  response.headers.add("Content-Security-Policy",
                       "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                       "img-src 'self' data:; media-src 'self' blob: mediastream:; font-src 'self'; "
                       "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'none'");
  response.headers.add("Cross-Origin-Opener-Policy", "same-origin");
  response.headers.add("Cross-Origin-Resource-Policy", "same-origin");
  response.headers.add("Permissions-Policy", "microphone=(self), camera=(self), geolocation=()");
}

Response StaticFiles::serve(const Target& target, const Request& request) const {
  if (!directory_.empty()) return from_directory(target);
  const std::string path = relative(target);
  for (const StaticFile& file : files_) {
    if (file.path != path) continue;
    Response r;
    r.headers.add("ETag", std::string(file.etag));
    r.headers.add("Cache-Control", "no-cache");
    add_page_headers(r);
    if (const auto tags = request.headers.find("If-None-Match"); tags && none_match_hits(*tags, file.etag)) {
      r.status = 304;
      return r;
    }
    r.headers.add("Content-Type", std::string(file.content_type));
    r.body = std::string(file.body);
    return r;
  }
  return not_found();
}

Response StaticFiles::from_directory(const Target& target) const {
  // parse_target() admits no "..", and links that lead out of the folder are not followed.
  std::error_code error;
  const auto root = std::filesystem::canonical(directory_, error);
  if (error) return not_found();
  const auto file = std::filesystem::canonical(root / relative(target), error);
  if (error || !std::filesystem::is_regular_file(file, error)) return not_found();
  if (!file.native().starts_with(root.native() + "/")) return not_found();
  std::ifstream in(file, std::ios::binary);
  if (!in) return not_found();
  Response r;
  r.body.assign(std::istreambuf_iterator<char>(in), {});
  r.headers.add("Content-Type", std::string(content_type_of(file.native())));
  r.headers.add("Cache-Control", "no-store");
  add_page_headers(r);
  return r;
}

}  // namespace sluice::http
