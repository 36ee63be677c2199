// Why a handshake ended, and errors of start-up in words for a person.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::dtls {

/// Start-up errors (certificate files, OpenSSL configuration): what is wrong, and what to do about it.
struct Error {
  std::string message;
  std::string fix;
};

// name, what it means to a person who reads it in a log or in /metrics
#define SLUICE_DTLS_FAILURES(X)                                                             \
  X(none, "has not failed")                                                                 \
  X(fingerprint_mismatch, "the client's certificate is not the one its offer names")        \
  X(no_client_certificate, "the client sent no certificate")                                \
  X(no_srtp_profile, "the client offers no SRTP profile that is served here")               \
  X(no_common_parameters, "no DTLS version, cipher suite, curve or signature in common")    \
  X(peer_alert, "the client sent a fatal alert")                                            \
  X(protocol_error, "the client broke the protocol, or its signature or Finished is wrong") \
  X(timeout, "the handshake did not finish in time")                                        \
  X(too_many, "as many handshakes as the worker may hold were in progress")                 \
  X(internal, "OpenSSL failed for a reason of its own, e.g. no memory")

enum class Failure : uint8_t {
#define SLUICE_DTLS_FAILURE_ENUM(name, text) name,
  SLUICE_DTLS_FAILURES(SLUICE_DTLS_FAILURE_ENUM)
#undef SLUICE_DTLS_FAILURE_ENUM
};

#define SLUICE_DTLS_FAILURE_COUNT(name, text) +1
inline constexpr size_t kFailureCount = 0 SLUICE_DTLS_FAILURES(SLUICE_DTLS_FAILURE_COUNT);
#undef SLUICE_DTLS_FAILURE_COUNT

inline constexpr std::array<std::string_view, kFailureCount> kFailureNames{
#define SLUICE_DTLS_FAILURE_NAME(name, text) #name,
    SLUICE_DTLS_FAILURES(SLUICE_DTLS_FAILURE_NAME)
#undef SLUICE_DTLS_FAILURE_NAME
};
inline constexpr std::array<std::string_view, kFailureCount> kFailureTexts{
#define SLUICE_DTLS_FAILURE_TEXT(name, text) text,
    SLUICE_DTLS_FAILURES(SLUICE_DTLS_FAILURE_TEXT)
#undef SLUICE_DTLS_FAILURE_TEXT
};

constexpr std::string_view name_of(Failure f) { return kFailureNames[static_cast<size_t>(f)]; }
constexpr std::string_view text_of(Failure f) { return kFailureTexts[static_cast<size_t>(f)]; }

}  // namespace sluice::dtls
