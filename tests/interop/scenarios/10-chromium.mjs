// Chromium against Chromium through rooms and the echo agent.
import { scenario } from '../lib/scenario.mjs';

scenario('a publisher is heard by a player in the right order', async (t) => {
  const daemon = await t.daemon();
  const publisher = await t.chromium();
  const player = await t.chromium();
  const sent = await t.publish(publisher, daemon.at('/whip/hall'));
  const got = await t.play(player, daemon.at('/whep/hall'));
  const rooms = (await daemon.json('/v1/rooms')).rooms;
  t.equal(rooms.map(({ name, subscribers }) => [name, subscribers]), [['hall', 1]], 'rooms');
  const roles = (await daemon.sessions()).map(({ role, state }) => `${role} ${state}`).sort();
  t.equal(roles, ['play connected', 'publish connected'], 'sessions');
});

scenario('a player that came first hears the publisher that comes later', async (t) => {
  const daemon = await t.daemon();
  const [publisher, player] = [await t.chromium(), await t.chromium()];
  const got = await player.call('play', daemon.at('/whep/hall'));
  await t.state(player, got, 'connected');
  const sent = await t.publish(publisher, daemon.at('/whip/hall'));
  await t.hears(player, got);
});

scenario('three players hear one publisher, and those left hear on when one hangs up', async (t) => {
  const daemon = await t.daemon();
  const [publisher, player] = [await t.chromium(), await t.chromium()];
  const sent = await t.publish(publisher, daemon.at('/whip/hall'));
  const ids = [];
  for (let i = 0; i < 3; ++i) ids.push(await player.call('play', daemon.at('/whep/hall')));
  for (const id of ids) await t.hears(player, id);
  await player.call('hangUp', ids[1]);
  await t.until('one subscriber fewer', async () => (await daemon.json('/v1/rooms')).rooms[0].subscribers === 2);
  for (const id of [ids[0], ids[2]]) await t.stillHears(player, id);
});

scenario('the echo agent sends back what it hears', async (t) => {
  const daemon = await t.daemon();
  await t.echo(await t.chromium(), daemon.at('/agent/echo'));
  const [session] = await daemon.sessions();
  t.equal([session.role, session.name, session.state], ['agent', 'echo', 'connected'], 'session');
  const setup = Object.values(session.setup_ms);
  t.check(setup.every((ms) => ms !== null), `the setup timeline is complete: ${JSON.stringify(session.setup_ms)}`);
  t.equal(setup, [...setup].sort((a, b) => a - b), 'setup timeline in order');
});

scenario('a microphone reaches the echo agent and comes back', async (t) => {
  const daemon = await t.daemon();
  await t.echo(await t.chromium({ microphone: true }), daemon.at('/agent/echo'), { microphone: true });
});
