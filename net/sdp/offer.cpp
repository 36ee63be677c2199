#include "net/sdp/offer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "net/sdp/attributes.h"
#include "net/sdp/media.h"
#include "net/sdp/text.h"

namespace sluice::sdp {

using text::Place;
using text::Status;
using text::take_until;
using text::take_word;

std::string_view name_of(MediaKind kind) {
  switch (kind) {
    case MediaKind::audio:
      return "audio";
    case MediaKind::video:
      return "video";
    case MediaKind::application:
      return "application";
    case MediaKind::other:
      break;
  }
  return "other";
}

std::string_view name_of(Direction d) {
  switch (d) {
    case Direction::sendrecv:
      return "sendrecv";
    case Direction::sendonly:
      return "sendonly";
    case Direction::recvonly:
      return "recvonly";
    case Direction::inactive:
      break;
  }
  return "inactive";
}

Direction reversed(Direction d) {
  if (d == Direction::sendonly) return Direction::recvonly;
  return d == Direction::recvonly ? Direction::sendonly : d;
}

bool OfferedCodec::is(std::string_view codec_name) const { return text::equal_nocase(name, codec_name); }

std::optional<std::string_view> OfferedCodec::parameter(std::string_view key) const {
  std::string_view rest = fmtp;
  while (!rest.empty()) {
    std::string_view value = take_until(rest, ';');
    if (text::equal_nocase(text::trimmed(take_until(value, '=')), key)) return text::trimmed(value);
  }
  return std::nullopt;
}

const Media* Offer::by_mid(std::string_view mid) const {
  const auto found = std::ranges::find(media, mid, &Media::mid);
  return mid.empty() || found == media.end() ? nullptr : &*found;
}

namespace {

class OfferParser {
 public:
  std::expected<Offer, Error> parse(std::string_view text);

 private:
  Status line(std::string_view line);
  Status attribute(std::string_view value);
  Status session_attribute(std::string_view name, std::string_view value);
  Status open_media(std::string_view value);
  void close_media();
  void group(std::string_view value);
  Status check_mids();
  void tidy_bundles();

  Offer offer_;
  SessionAttributes session_;
  std::optional<MediaBuilder> media_;
  Place at_{.scope = "offer", .line = 0};
};

std::expected<Offer, Error> OfferParser::parse(std::string_view text) {
  if (text.size() > kOfferBytesMax)
    return at_.malformed("", "the offer is longer than " + std::to_string(kOfferBytesMax) + " bytes",
                         "Offer fewer m-lines, codecs or candidates.");
  text::Lines lines(text);
  std::string_view l;
  while (lines.next(l)) {
    const bool first = at_.line == 0;
    at_.line = lines.number();
    if (first && l != "v=0")
      return at_.malformed("", "the offer does not begin with v=0", "Send a session description (RFC 8866).");
    if (const Status s = line(l); !s) return std::unexpected(s.error());
  }
  if (media_) close_media();
  at_ = {.scope = "offer", .line = 0};
  if (offer_.media.empty())
    return at_.malformed("", "the offer has no m= line",
                         "Add an audio or video transceiver before offering.");
  if (const Status s = check_mids(); !s) return std::unexpected(s.error());
  tidy_bundles();
  return std::move(offer_);
}

Status OfferParser::line(std::string_view line) {
  if (line.size() < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z')
    return at_.malformed("", "the line " + text::quoted(line) + " is not of the form x=value",
                         "Send the session description unchanged, one field on each line.");
  const std::string_view value = line.substr(2);
  if (line[0] == 'm') return open_media(value);
  return line[0] == 'a' ? attribute(value) : Status{};
}

Status OfferParser::open_media(std::string_view value) {
  if (media_) close_media();
  const size_t index = offer_.media.size();
  at_.scope = "offer.m[" + std::to_string(index) + "]";
  if (index == kMediaMax)
    return at_.malformed("", "the offer has more than " + std::to_string(kMediaMax) + " m= lines",
                         "Offer fewer transceivers.");
  media_.emplace();
  return media_->open(value, at_);
}

void OfferParser::close_media() {
  offer_.media.push_back(media_->finish(session_));
  media_.reset();
}

Status OfferParser::attribute(std::string_view value) {
  const std::string_view name = take_until(value, ':');
  return media_ ? media_->attribute(name, value, at_) : session_attribute(name, value);
}

Status OfferParser::session_attribute(std::string_view name, std::string_view value) {
  bool known = false;
  if (const auto status = parse_transport_attribute(name, value, at_, session_.transport, known); known)
    return status;
  if (const auto d = parse_direction(name))
    session_.direction = d;
  else if (name == "group")
    group(value);
  else if (name == "ice-lite")
    offer_.ice_lite = true;
  else if (name == "extmap-allow-mixed")
    offer_.extmap_allow_mixed = true;
  else if (name == "extmap")
    return parse_extmap(value, at_, session_.extensions);
  return {};
}

void OfferParser::group(std::string_view value) {
  if (take_word(value) != "BUNDLE" || offer_.bundles.size() == kGroupsMax) return;
  auto& mids = offer_.bundles.emplace_back();
  for (auto mid = take_word(value); !mid.empty() && mids.size() < kMediaMax; mid = take_word(value))
    mids.emplace_back(mid);
}

Status OfferParser::check_mids() {
  for (size_t i = 0; i < offer_.media.size(); ++i) {
    const Media& m = offer_.media[i];
    if (m.mid.empty() || offer_.by_mid(m.mid) == &m) continue;
    const Place at{.scope = "offer.m[" + std::to_string(i) + "]", .line = m.line};
    return at.malformed("mid", "a=mid:" + m.mid + " names an earlier m-line too",
                        "Give each m-line its own mid (RFC 5888 section 4).");
  }
  return {};
}

/// Keeps of each group what names an m-line, once, and in the first group that has it.
void OfferParser::tidy_bundles() {
  std::vector<std::string> seen;
  for (auto& mids : offer_.bundles) {
    std::erase_if(mids, [&](const std::string& mid) {
      if (!offer_.by_mid(mid) || std::ranges::find(seen, mid) != seen.end()) return true;
      seen.push_back(mid);
      return false;
    });
  }
  std::erase_if(offer_.bundles, [](const auto& mids) { return mids.empty(); });
}

}  // namespace

std::expected<Offer, Error> parse_offer(std::string_view text) { return OfferParser{}.parse(text); }

}  // namespace sluice::sdp
