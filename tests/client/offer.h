// The SDP of tools/client, by the names that the tests use.
#pragma once

#include "tools/client/offer.h"

namespace sluice::test {

using client::Answer;
using client::AnsweredMedia;
using client::CallRole;
using client::IceCredentials;
using client::kAudio;
using client::Kind;
using client::kVideo;
using client::OfferSpec;
using client::read_answer;
using client::read_restart;
using client::write_offer;
using client::write_restart;

}  // namespace sluice::test
