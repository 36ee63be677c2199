// Browsers and stacks that may use nothing but TURN, and a media server that they cannot reach otherwise.
import { execFileSync } from 'node:child_process';
import { Edge, endpoint, kRelayUdp } from '../lib/edge.mjs';
import { scenario } from '../lib/scenario.mjs';

const kTls = 5349;

/** A certificate for the relay's address that nobody knows; its files. */
function certificate(t, edge) {
  const files = { cert: t.path('turn-cert.pem'), key: t.path('turn-key.pem') };
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-days', '1', '-subj', '/CN=relay', '-addext', `subjectAltName=IP:${edge.relay.addresses[1].v4}`,
    '-keyout', files.key, '-out', files.cert], { stdio: 'ignore' });
  return files;
}

/** A TURN server between client and media server; what `iceServers` wants of it, by time-limited credentials. */
async function turnAt(t, edge, { transport = 'udp', role = 'relay' } = {}) {
  const { cert, key } = certificate(t, edge);
  const tls = ['--turn-tls', `0.0.0.0:${kTls}`, '--turn-tls-cert', cert, '--turn-tls-key', key];
  const secret = t.file('turn.secret', 'the TURN secret of this test alone\n');
  // A client that asks for no family is given an IPv4 address to be reached at, RFC 8656 §7.2.
  const turn = await edge.startRelay(['--turn-secret', `@${secret}`, '--turn-allow-peer', '10.77.2.0/24',
    ...(transport === 'tls' ? tls : [])],
    { role, servers: [], inner: edge.relay.addresses[2].v4 });
  const made = await turn.fetch('/v1/turn/credentials', { method: 'POST', body: '{"user":"alice"}' });
  const { username, password } = await made.json();
  const address = edge.relay.addresses[1][edge.family];
  const urls = transport === 'tls' ? `turns:${endpoint(address, kTls)}?transport=tcp`
    : `turn:${endpoint(address, kRelayUdp)}?transport=${transport}`;
  return { turn, server: { urls, username, credential: password } };
}

const inBrowser = (tab, url, server) => tab.call('agent', url,
  { peer: { iceServers: [server], iceTransportPolicy: 'relay' } }).then((id) => ({ tab, id }));
const inPython = (t, script, edge, url, server) => ({ id: 0,
  tab: t.python(script, ['agent', url], { host: edge.client,
    env: { TURN_SERVER: JSON.stringify(server), SSL_CERT_FILE: t.path('turn-cert.pem') } }) });
const kStacks = {
  Chromium: async (t, edge, url, server) =>
    inBrowser(await edge.chromium({ args: ['--ignore-certificate-errors'] }), url, server),
  Firefox: async (t, edge, url, server) => inBrowser(await t.firefox({ host: edge.client }), url, server),
  aiortc: async (t, edge, url, server) => inPython(t, 'aiortc_peer', edge, url, server),
  GStreamer: async (t, edge, url, server) => inPython(t, 'gst_peer', edge, url, server),
};

async function hearsItself(t, { tab, id }) {
  await t.state(tab, id, 'connected');
  await t.hears(tab, id);
}

for (const [name, family, transport] of [['Chromium', 'v4', 'udp'], ['Chromium', 'v6', 'udp'], ['Firefox', 'v4', 'udp'],
  ['aiortc', 'v4', 'udp'], ['GStreamer', 'v4', 'udp'],
  ['Chromium', 'v4', 'tcp'], ['Chromium', 'v6', 'tcp'], ['Firefox', 'v4', 'tcp'], ['aiortc', 'v4', 'tcp'],
  ['GStreamer', 'v4', 'tcp'], ['Chromium', 'v4', 'tls'], ['aiortc', 'v4', 'tls']]) {
  const by = transport.toUpperCase();
  scenario(`${name} hears itself through TURN by ${by} over IP${family} from a server elsewhere`, async (t) => {
    const edge = await Edge.make(t, { family });
    const server4 = endpoint(edge.media.addresses[2].v4, 4000);
    const media = await edge.startMedia([], { listen: server4, reachedAt: server4 });
    const { turn, server } = await turnAt(t, edge, { transport });
    await hearsItself(t, await kStacks[name](t, edge, media.at('/agent/echo'), server));
    const [{ remote }] = await media.sessions();
    t.check(remote.startsWith(endpoint(edge.relay.addresses[2].v4, '')),
      `the media server sees the relayed address: ${remote}`);
    t.equal((await turn.json('/v1/relay')).flows, 0, 'flows, since nothing went by ufrag');
  });
}

scenario('Chromium hears itself through TURN by TCP', async (t) => {
  const edge = await Edge.make(t);
  const server4 = endpoint(edge.media.addresses[2].v4, 4000);
  const media = await edge.startMedia([], { listen: server4, reachedAt: server4 });
  const { turn, server } = await turnAt(t, edge, { transport: 'tcp' });
  const call = await kStacks.Chromium(t, edge, media.at('/agent/echo'), server);
  await hearsItself(t, call);
  const stats = await call.tab.call('stats', call.id);
  t.check(stats.some(({ type, relayProtocol }) => type === 'local-candidate' && relayProtocol === 'tcp'),
    'the relayed candidate was had by TCP');
  t.check(await turn.metric('sluice_streams') > 0, 'a stream is open');
});

scenario('Chromium hears itself through TURN from the same process', async (t) => {
  const edge = await Edge.make(t);
  const { turn, server } = await turnAt(t, edge, { role: 'both' });
  const call = await kStacks.Chromium(t, edge, turn.at('/agent/echo'), server);
  await hearsItself(t, call);
  const stats = await call.tab.call('stats', call.id);
  const pair = stats.find(({ type, state, nominated }) =>
    type === 'candidate-pair' && state === 'succeeded' && nominated);
  t.equal(stats.find(({ id }) => id === pair.localCandidateId).candidateType, 'relay', 'the local candidate');
  const [{ remote }] = await turn.sessions();
  t.check(Object.values(edge.relay.addresses).some(({ v4 }) => remote.startsWith(`${v4}:`)),
    `the session's client is the relayed address: ${remote}`);
});
