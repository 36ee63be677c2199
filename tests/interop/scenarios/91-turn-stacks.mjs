// Browsers and stacks that may use nothing but TURN, and a media server that they cannot reach otherwise.
import { Edge, endpoint } from '../lib/edge.mjs';
import { scenario } from '../lib/scenario.mjs';
import { inBrowser, mediaElsewhere, turnAt } from '../lib/turn.mjs';

const inPython = (t, script, edge, url, server) => ({ id: 0,
  tab: t.python(script, ['agent', url], { host: edge.client,
    env: { TURN_SERVER: JSON.stringify(server), SSL_CERT_FILE: t.path('tls-cert.pem') } }) });
const kStacks = {
  Chromium: async (t, edge, url, server) =>
    inBrowser(await edge.chromium({ args: ['--ignore-certificate-errors'] }), url, server),
  Firefox: async (t, edge, url, server) => inBrowser(await t.firefox({ host: edge.client }), url, server),
  aiortc: async (t, edge, url, server) => inPython(t, 'aiortc_peer', edge, url, server),
  GStreamer: async (t, edge, url, server) => inPython(t, 'gst_peer', edge, url, server),
};

for (const [name, family, transport] of [['Chromium', 'v4', 'udp'], ['Chromium', 'v6', 'udp'], ['Firefox', 'v4', 'udp'],
  ['aiortc', 'v4', 'udp'], ['GStreamer', 'v4', 'udp'],
  ['Chromium', 'v4', 'tcp'], ['Chromium', 'v6', 'tcp'], ['Firefox', 'v4', 'tcp'], ['aiortc', 'v4', 'tcp'],
  ['GStreamer', 'v4', 'tcp'], ['Chromium', 'v4', 'tls'], ['aiortc', 'v4', 'tls']]) {
  const by = transport.toUpperCase();
  scenario(`${name} hears itself through TURN by ${by} over IP${family} from a server elsewhere`, async (t) => {
    const edge = await Edge.make(t, { family });
    const media = await mediaElsewhere(edge);
    const { turn, server } = await turnAt(t, edge, { transport });
    const { tab, id } = await kStacks[name](t, edge, media.at('/agent/echo'), server);
    await t.talks(tab, id);
    const [{ remote }] = await media.sessions();
    t.check(remote.startsWith(endpoint(edge.relay.addresses[2].v4, '')),
      `the media server sees the relayed address: ${remote}`);
    t.equal((await turn.json('/v1/relay')).flows, 0, 'flows, since nothing went by ufrag');
  });
}

scenario('Chromium hears itself through TURN by TCP', async (t) => {
  const edge = await Edge.make(t);
  const media = await mediaElsewhere(edge);
  const { turn, server } = await turnAt(t, edge, { transport: 'tcp' });
  const call = await kStacks.Chromium(t, edge, media.at('/agent/echo'), server);
  await t.talks(call.tab, call.id);
  const stats = await call.tab.call('stats', call.id);
  t.check(stats.some(({ type, relayProtocol }) => type === 'local-candidate' && relayProtocol === 'tcp'),
    'the relayed candidate was had by TCP');
  t.check(await turn.metric('sluice_streams') > 0, 'a stream is open');
});

scenario('Chromium hears itself through TURN from the same process', async (t) => {
  const edge = await Edge.make(t);
  const { turn, server } = await turnAt(t, edge, { role: 'both' });
  const call = await kStacks.Chromium(t, edge, turn.at('/agent/echo'), server);
  await t.talks(call.tab, call.id);
  const stats = await call.tab.call('stats', call.id);
  const pair = stats.find(({ type, state, nominated }) =>
    type === 'candidate-pair' && state === 'succeeded' && nominated);
  t.equal(stats.find(({ id }) => id === pair.localCandidateId).candidateType, 'relay', 'the local candidate');
  const [{ remote }] = await turn.sessions();
  t.check(Object.values(edge.relay.addresses).some(({ v4 }) => remote.startsWith(`${v4}:`)),
    `the session's client is the relayed address: ${remote}`);
});
