// A session on its shard from adoption to its end. Owner thread only.
#pragma once

#include "engine/shard/core.h"

namespace sluice::engine {

/// Takes up a session that this shard has just claimed; its agent has seen no check yet. False if the spec is
/// gone.
bool adopt(Core& c, SessionKey key);

/// Carries out what the agent wants: answers are the caller's affair, challenges, flows, moves and the end of
/// consent are done here. The session may be gone afterwards.
void apply(Core& c, uint32_t session, const ice::Actions& actions);

/// Puts the path into the flow table; false if the table is full.
bool remember_flow(Core& c, uint32_t session, const ice::PathAddress& path);

/// Keys are in place: media may flow.
void connect(Core& c, uint32_t session);

/// Ends it: tells the client (close_notify) if that can be, frees everything, publishes the last report and
/// tells the control thread.
void close(Core& c, uint32_t session, CloseReason reason);

/// The end of a session that this shard claimed and could not adopt() so far. No effect if it ended here
/// already, of which the control thread knows.
void close_claimed(Core& c, SessionKey key, CloseReason reason);

/// Runs whatever of the session is due and schedules what comes next.
void on_timer(Core& c, uint32_t session);

/// A packet that its protocol authenticated came from `from`. `newest`: it advanced its stream.
void authentic(Core& c, uint32_t session, const ice::PathAddress& from, bool newest);

/// Copies the session's figures to where the control thread reads them.
void publish_report(Core& c, uint32_t session, CloseReason reason = CloseReason::none);

}  // namespace sluice::engine
