#include "engine/sluice.h"
#include "net/base/drop.h"

using namespace sluice;

extern "C" {

// The views of drop.h come from string literals, so they are zero-terminated.
const char* sluice_drop_name(unsigned index) {
  return index < kDropCount ? kDropNames[index].data() : nullptr;
}
const char* sluice_drop_text(unsigned index) {
  return index < kDropCount ? kDropTexts[index].data() : nullptr;
}

const char* sluice_state_name(int s) {
  switch (s) {
    case SLUICE_NEW:
      return "new";
    case SLUICE_CHECKING:
      return "checking";
    case SLUICE_CONNECTED:
      return "connected";
    case SLUICE_CLOSED:
      return "closed";
  }
  return "unknown";
}

const char* sluice_close_reason_name(int r) {
  switch (r) {
    case SLUICE_CLOSE_NONE:
      return "none";
    case SLUICE_CLOSE_HANGUP:
      return "hangup";
    case SLUICE_CLOSE_PEER:
      return "peer";
    case SLUICE_CLOSE_CONSENT:
      return "consent";
    case SLUICE_CLOSE_SETUP_TIMEOUT:
      return "setup_timeout";
    case SLUICE_CLOSE_DTLS:
      return "dtls";
    case SLUICE_CLOSE_TAKEOVER:
      return "takeover";
    case SLUICE_CLOSE_DRAIN:
      return "drain";
  }
  return "unknown";
}

const char* sluice_role_name(int r) {
  switch (r) {
    case SLUICE_PUBLISH:
      return "publish";
    case SLUICE_PLAY:
      return "play";
    case SLUICE_AGENT:
      return "agent";
  }
  return "unknown";
}

}  // extern "C"
