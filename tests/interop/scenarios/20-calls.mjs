// The life of a call: ICE restart, trickle, every way to end.
import { scenario } from '../lib/scenario.mjs';

async function talking(t, daemon) {
  const tab = await t.chromium();
  const id = await tab.call('agent', daemon.at('/agent/echo'));
  const { location, etag } = await t.talks(tab, id);
  return { tab, id, location, etag };
}

const noneLeft = (t, daemon, seconds) => t.until('the server has no session left',
  async () => (await daemon.sessions()).length === 0, seconds);

const fragmentOf = (sdp, extra) => ['ice-ufrag', 'ice-pwd']
  .map((name) => `a=${name}:${new RegExp(`a=${name}:(\\S+)`).exec(sdp)[1]}`)
  .concat(/m=audio.*/.exec(sdp)[0], 'a=mid:0', extra).join('\r\n') + '\r\n';

scenario('an ICE restart in the middle of a call keeps the audio', async (t) => {
  const daemon = await t.daemon();
  const { tab, id, etag } = await talking(t, daemon);
  const before = await tab.call('state', id);
  const [session] = await daemon.sessions();
  await tab.call('restartIce', id);
  const after = await tab.call('state', id);
  t.check(after.ufrag !== before.ufrag, 'the server answered a restart with credentials of its own');
  t.check(after.etag && after.etag !== etag, 'the entity tag changed');
  await t.until('ICE is connected with the new credentials', async () => {
    const stats = await tab.call('stats', id);
    return stats.some((s) => s.type === 'transport' && s.dtlsState === 'connected' && s.iceLocalUsernameFragment
      && s.iceState === 'connected');
  });
  await t.stillHears(tab, id, 24);
  t.equal((await daemon.sessions()).map((s) => s.id), [session.id], 'still the same session');
});

scenario('trickled candidates are taken, and only with the right entity tag', async (t) => {
  const daemon = await t.daemon();
  const { tab, id, location, etag } = await talking(t, daemon);
  const fragment = fragmentOf(await tab.call('offer', id), 'a=candidate:1 1 UDP 2130706431 10.77.0.9 4444 typ host');
  const patch = async (body, headers, type = 'application/trickle-ice-sdpfrag') => (await fetch(location,
    { method: 'PATCH', body, headers: { 'Content-Type': type, ...headers } })).status;
  t.equal(await patch(fragment, { 'If-Match': etag }), 204, 'a candidate');
  t.equal(await patch(fragment, { 'If-Match': '"ice-200"' }), 412, 'a stale tag');
  t.equal(await patch(fragment, {}), 428, 'no tag');
  t.equal(await patch('m=nonsense', { 'If-Match': etag }), 400, 'no fragment');
  t.equal(await patch(fragment, { 'If-Match': etag }, 'text/plain'), 415, 'another type');
  await t.stillHears(tab, id);
});

scenario('DELETE by the client ends the session', async (t) => {
  const daemon = await t.daemon();
  const { tab, id, location } = await talking(t, daemon);
  await tab.call('hangUp', id);
  await noneLeft(t, daemon);
  t.equal((await fetch(location, { method: 'DELETE' })).status, 404, 'a second DELETE');
  t.equal((await daemon.json('/v1/engine')).closed_by_reason.hangup, 1, 'closed by hang-up');
});

scenario('an operator hangs up by /v1 and the client sees it', async (t) => {
  const daemon = await t.daemon();
  const { tab, id } = await talking(t, daemon);
  const [session] = await daemon.sessions();
  const response = await daemon.fetch(`/v1/sessions/${session.id}`, { method: 'DELETE' });
  t.check(response.ok, `DELETE says ${response.status}`);
  await noneLeft(t, daemon);
  await t.until('the client is no longer connected',
    async () => (await tab.call('state', id)).state !== 'connected', 30);
}, { seconds: 75 });

scenario('a client that closes without DELETE is noticed', async (t) => {
  const daemon = await t.daemon();
  const { tab, id } = await talking(t, daemon);
  await tab.call('vanish', id);
  await noneLeft(t, daemon, 40);
}, { seconds: 75 });

scenario('a browser that is killed loses consent and its session', async (t) => {
  const daemon = await t.daemon();
  const { tab } = await talking(t, daemon);
  await tab.browser.kill();
  await noneLeft(t, daemon, 60);
}, { seconds: 90 });

scenario('a second publisher is refused while the first goes on', async (t) => {
  const daemon = await t.daemon();
  const [first, second, player] = [await t.chromium(), await t.chromium(), await t.chromium()];
  await t.state(first, await first.call('publish', daemon.at('/whip/hall')), 'connected');
  const refused = await second.call('publish', daemon.at('/whip/hall')).catch((error) => error);
  t.equal(refused.status, 409, 'status');
  await t.hears(player, await player.call('play', daemon.at('/whep/hall')));
});
