// engine/control/openapi.json, compiled in.
#pragma once

#include <string_view>

namespace sluice::http {
extern const std::string_view kOpenApi;
}
