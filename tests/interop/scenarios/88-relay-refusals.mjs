// What a relay does not carry is counted under its reason, and said; what it may not do, it says at start.
import { Edge, kRelayUdp } from '../lib/edge.mjs';
import { scenario } from '../lib/scenario.mjs';

const kKnocks = 20;

/** Binding requests for a session of that ufrag: all are counted as `reason`, none is answered. */
async function refuses(t, edge, relay, ufrag, reason) {
  const before = await relay.drops(reason);
  const others = await relay.drops() - before;
  const attacker = t.python('attacker', ['knock', edge.relay.addresses[1].v4, `${kRelayUdp}`, `${kKnocks}`, ufrag],
    { host: edge.client });
  await attacker.child.exited;
  t.equal(attacker.events, [{ event: 'answered', packets: 0 }, { event: 'sent', packets: kKnocks }], 'the attacker');
  await t.until(`${kKnocks} drops more as ${reason}`, async () => await relay.drops(reason) - before === kKnocks);
  t.equal(await relay.drops() - await relay.drops(reason), others, 'dropped for other reasons');
  t.equal(await relay.metric('sluice_drops_total', `reason="${reason}"`), before + kKnocks, 'the metric');
  const { flows, unconfirmed, up } = await relay.json('/v1/relay');
  t.equal([flows, unconfirmed, up.packets], [0, 0, 0], 'flows and packets that went to a server');
}

scenario('a ufrag that nobody minted, that no route knows, and whose server is gone', async (t) => {
  const edge = await Edge.make(t);
  const relay = await edge.startRelay();
  await refuses(t, edge, relay, 'AAAAbbbbCCCCddddEEEEffff', 'ufrag_forged');
  const minted = (node) => t.minted('ufrag', '--route-key', `@${edge.routeKey}`, '--server', node);
  await refuses(t, edge, relay, await minted('9'), 'no_route');
  const route = { ufrag: 'a1B2', server: '10.77.2.2:5000', ttl_s: 60 };
  const put = (routes) => relay.fetch('/v1/routes', { method: 'PUT', body: JSON.stringify({ routes }) });
  t.equal((await put([route])).status, 200, 'a route');
  t.equal((await put([{ ...route, server: '10.77.2.2:5001' }])).status, 409, 'the same ufrag to another server');
  await refuses(t, edge, relay, 'a1B3', 'no_route');
  t.equal((await relay.fetch('/v1/servers/7', { method: 'DELETE' })).status, 200, 'DELETE /v1/servers/7');
  await refuses(t, edge, relay, await minted('7'), 'no_route');
  const { servers } = await relay.json('/v1/servers');
  t.equal(servers.map(({ id, address, routes }) => [id, address, routes]), [[null, '10.77.2.2:5000', 1]], 'servers');
});

scenario('a server that is taken away loses its calls, one that comes back gets new ones', async (t) => {
  const edge = await Edge.make(t);
  const media = await edge.startMedia();
  const relay = await edge.startRelay();
  const { tab, id } = await edge.talking(media);
  await relay.fetch('/v1/servers/7', { method: 'DELETE' });
  await t.until('its packets are counted as lost', async () => await relay.drops('miss', 'no_route') > 50);
  t.equal((await relay.json('/v1/relay')).flows, 0, 'flows');
  await relay.fetch('/v1/servers/7', { method: 'PUT', body: JSON.stringify({ address: edge.server }) });
  await t.stillHears(tab, id);
});

scenario('a plain user without capabilities relays by plain sockets, and is told what is off', async (t) => {
  const edge = await Edge.make(t);
  const media = await edge.startMedia();
  const plain = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs',
    '--bounding-set=-all', '--inh-caps=-all'];
  edge.letEverybodyRead();
  const relay = await edge.startRelay([], { host: { prefix: [...edge.relay.prefix, ...plain] } });
  const said = relay.child.lines.join('\n');
  for (const what of [/transmit with prebuilt headers is off: .*CAP_NET_RAW/, /steering: off/,
    /relay ports: one socket .* not steered: .*CAP_BPF/]) {
    t.check(what.test(said), `it says ${what}`);
  }
  await edge.talking(media);
});
