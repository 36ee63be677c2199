// Writes JSON (RFC 8259) into one string. Objects and arrays are opened and closed by the caller, commas are
// not.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace sluice::control {

class Json {
 public:
  Json& begin_object() { return open('{'); }
  Json& end_object() { return close('}'); }
  Json& begin_array() { return open('['); }
  Json& end_array() { return close(']'); }
  Json& key(std::string_view name);

  Json& value(std::string_view text);
  Json& value(const char* text) { return value(std::string_view(text)); }
  Json& value(bool b);
  /// NaN and infinities become null; three digits behind the point are kept.
  Json& value(double number);
  template <std::integral T>
    requires(!std::is_same_v<T, bool>)
  Json& value(T number) {
    return raw(std::to_string(number));
  }
  Json& null() { return raw("null"); }
  /// `json` is well-formed already.
  Json& raw(std::string_view json);

  template <class T>
  Json& member(std::string_view name, const T& v) {
    return key(name).value(v);
  }

  std::string take() { return std::move(out_); }

 private:
  Json& open(char c);
  Json& close(char c);
  void separate();

  std::string out_;
  bool comma_ = false;
};

}  // namespace sluice::control
