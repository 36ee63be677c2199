// Through the relay tier: clients that reach nothing but the relay, and media servers that reach nothing but it.
import { candidatesOf, Edge, endpoint } from '../lib/edge.mjs';
import { scenario } from '../lib/scenario.mjs';

/** Publishes with one browser and plays with another, through the relay. */
async function publishAndPlay(t, edge, media) {
  const [publisher, player] = [await edge.chromium(), await edge.chromium()];
  const sent = await t.publish(publisher, media.at('/whip/hall'));
  t.equal(candidatesOf(await publisher.call('answer', sent)), [`${edge.public} host`], 'candidates of the answer');
  const got = await t.play(player, media.at('/whep/hall'));
  return { publisher, player, sent, got };
}

/** What the relay's figures say of `flows` calls that go on. */
async function carries(t, relay, flows) {
  const { servers } = await relay.json('/v1/servers');
  const total = await relay.json('/v1/relay');
  const [server] = servers;
  t.equal([server.id, server.flows, server.unconfirmed], ['7', flows, 0], 'flows of the server');
  t.equal([total.role, total.flows, total.unconfirmed], ['relay', flows, 0], 'flows in all');
  for (const way of ['up', 'down']) {
    t.check(server[way].packets > 50 && server[way].bytes > server[way].packets * 20,
      `packets go ${way}: ${JSON.stringify(server)}`);
  }
  return server;
}

// Each family with each way to receive and each way to reach the server.
for (const [family, io, leg] of [['v4', 'uring', 'steered'], ['v4', 'mmsg', 'sockets'], ['v6', 'uring', 'sockets'],
  ['v6', 'mmsg', 'steered']]) {
  const trunk = leg === 'trunk';
  const by = trunk ? 'trunk' : `ports that are ${leg}`;
  scenario(`publish and play over IP${family}, --io ${io}, by ${by}`, async (t) => {
    const edge = await Edge.make(t, { family, leg: trunk ? 'trunk' : 'ports' });
    const media = await edge.startMedia(['--io', io]);
    const relay = await edge.startRelay(['--io', io, ...(trunk ? [] : ['--relay-port-mode', leg])]);
    await publishAndPlay(t, edge, media);
    await carries(t, relay, 2);
    const seen = trunk ? edge.client.addresses[1][family] : edge.inner;
    const remotes = (await media.sessions()).map(({ remote }) => remote);
    t.check(remotes.every((remote) => remote.startsWith(endpoint(seen, ''))),
      `the media server sees ${trunk ? 'the client' : 'nobody but the relay'}: ${remotes}`);
  });
}

const kStacks = {
  Firefox: (t, host, url) => t.firefox({ host }).then(async (tab) => ({ tab, id: await tab.call('agent', url) })),
  aiortc: async (t, host, url) => ({ tab: t.python('aiortc_peer', ['agent', url], { host }), id: 0 }),
  GStreamer: async (t, host, url) => ({ tab: t.python('gst_peer', ['agent', url], { host }), id: 0 }),
};
for (const [name, make] of Object.entries(kStacks)) {
  scenario(`${name} hears itself from an agent behind the relay`, async (t) => {
    const edge = await Edge.make(t);
    const media = await edge.startMedia();
    const relay = await edge.startRelay();
    const { tab, id } = await make(t, edge.client, media.at('/agent/echo'));
    await t.talks(tab, id);
    await carries(t, relay, 1);
  });
}
