// What happens to calls through a relay while it, its servers and its clients come, go and move.
import { Edge } from '../lib/edge.mjs';
import { scenario } from '../lib/scenario.mjs';

/** The call goes on through what `action` does; says how long it was silent. */
async function survives(t, { tab, id }, what, action) {
  await tab.call('watch', id);
  await action();
  await t.stillHears(tab, id, undefined, 40);
  t.say(`${what}: ${await tab.call('gap', id)} ms without sound`);
  t.equal((await tab.call('state', id)).state, 'connected', 'the call');
}

for (const [family, leg] of [['v4', 'ports'], ['v6', 'ports'], ['v4', 'trunk']]) {
  scenario(`a router that changes its public IP${family} address costs the call a moment, by ${leg}`, async (t) => {
    const edge = await Edge.make(t, { home: true, family, leg });
    const media = await edge.startMedia();
    const relay = await edge.startRelay();
    const call = await edge.talking(media);
    const [before] = await media.sessions();
    await survives(t, call, 'new address', () => edge.moveOutside(9));
    const [after] = await media.sessions();
    t.equal(after.id, before.id, 'the session');
    t.check(after.remote !== before.remote && after.moves > before.moves,
      `the media server followed: ${before.remote}, then ${after.remote}`);
    t.equal((await relay.json('/v1/relay')).flows_created, 2, 'flows made');
  }, { seconds: 90 });
}

scenario('a client whose own address changes goes on after an ICE restart', async (t) => {
  const edge = await Edge.make(t);
  const media = await edge.startMedia();
  const relay = await edge.startRelay();
  const call = await edge.talking(media);
  const [before] = await media.sessions();
  await survives(t, call, 'new address', async () => {
    edge.moveOutside(9);
    await call.tab.call('restartIce', call.id);
  });
  t.equal((await media.sessions()).map(({ id }) => id), [before.id], 'the session');
  t.equal((await relay.json('/v1/relay')).flows_created, 2, 'flows made');
}, { seconds: 90 });

for (const [mode, receive] of [['sockets', 'sockets'], ['steered', 'sockets'], ['steered', 'frames']]) {
  scenario(`a relay that is killed and started again goes on with the calls, by ports that are ${mode}, `
    + `receiving ${receive}`, async (t) => {
    const edge = await Edge.make(t);
    const media = await edge.startMedia();
    const args = ['--relay-port-mode', mode, '--receive', receive];
    let relay = await edge.startRelay(args);
    const call = await edge.talking(media);
    await survives(t, call, 'relay restarted', async () => {
      await relay.end();
      relay = await edge.startRelay(args);
    });
    const { flows, unconfirmed, down } = await relay.json('/v1/relay');
    t.equal([flows, unconfirmed], [1, 0], 'flows');
    t.check(down.packets > 50, `packets go down: ${down.packets}`);
  }, { seconds: 90 });
}

for (const leg of ['ports', 'trunk']) {
  scenario(`a media server that comes back at another address takes new calls, by ${leg}`, async (t) => {
    const edge = await Edge.make(t, { leg });
    const first = await edge.startMedia();
    const relay = await edge.startRelay();
    const { tab } = await edge.talking(first);
    await tab.browser.close();
    await first.end();
    edge.moveMedia(77);
    const second = await edge.startMedia();
    const address = edge.trunk ?? edge.server;
    const put = await relay.fetch('/v1/servers/7',
      { method: 'PUT', body: JSON.stringify({ address, trunk: leg === 'trunk' }) });
    t.equal(put.status, 200, 'PUT /v1/servers/7');
    const { servers } = await relay.json('/v1/servers');
    t.equal(servers.map((server) => [server.id, server.address]), [['7', address]], 'servers');
    await edge.talking(second);
  }, { seconds: 90 });
}
