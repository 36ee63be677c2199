// The console's files: compiled in, or from a folder while somebody works on them.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "engine/control/http/message.h"
#include "engine/control/http/target.h"

namespace sluice::http {

struct StaticFile {
  std::string_view path;  ///< "index.html", "js/plot.js"
  std::string_view content_type;
  std::string_view etag;  ///< strong, with its quotes
  std::string_view body;
};

class StaticFiles {
 public:
  StaticFiles() = default;
  explicit StaticFiles(std::span<const StaticFile> files) : files_(files) {}
  explicit StaticFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// GET and HEAD; "/" is index.html. 404, or 304 for a matching If-None-Match.
  Response serve(const Target& target, const Request& request) const;

 private:
  Response from_directory(const Target& target) const;

  std::span<const StaticFile> files_;
  std::filesystem::path directory_;
};

std::string_view content_type_of(std::string_view path);
/// A strict Content-Security-Policy and its relatives, on every file of the console.
void add_page_headers(Response& response);

}  // namespace sluice::http
