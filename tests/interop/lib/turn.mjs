// A relay tier whose clients use it as a TURN server, and nothing else.
import { endpoint, kRelayUdp } from './edge.mjs';

const kTls = 5349;

/** A TURN server between client and media server; what `iceServers` wants of it, by time-limited credentials. */
export async function turnAt(t, edge, { transport = 'udp', role = 'relay' } = {}) {
  const { cert, key } = t.certificate(edge.relay.addresses[1].v4);
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

/** A call of a browser that may use nothing but that server. */
export const inBrowser = (tab, url, server) => tab.call('agent', url,
  { peer: { iceServers: [server], iceTransportPolicy: 'relay' } }).then((id) => ({ tab, id }));

/** A media server that clients cannot reach by themselves. */
export function mediaElsewhere(edge) {
  const at = endpoint(edge.media.addresses[2].v4, 4000);
  return edge.startMedia([], { listen: at, reachedAt: at });
}
