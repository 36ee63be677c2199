// TURN with the clients that come with coturn, in every mode they have over UDP: long-term and time-limited
// credentials, channels and indications, pairs of ports, both families, mobility.
import { kClients, kLogin, kMessages, kPeer4, turnServer, uclient } from '../lib/coturn.mjs';
import { scenario } from '../lib/scenario.mjs';
import { kFar, kNear } from '../lib/world.mjs';

/** Waits until the daemon's figures of TURN are as `holds` wants them: shards publish them now and then. */
const figures = (t, daemon, what, holds) =>
  t.until(what, async () => holds((await daemon.json('/v1/relay')).turn_figures));

const kModes = [
  ['channels', kPeer4],
  ['indications', ['-s', ...kPeer4]],
  ['padded ChannelData', ['-D', ...kPeer4]],
  ['without pairs of ports', ['-c', ...kPeer4]],
  ['with IPv4 asked for by name', ['-X', ...kPeer4]],
  ['an IPv6 peer from an IPv4 client', ['-x', '-e', kFar.v6]],
  ['both families at once', ['-Z', ...kPeer4]],
  ['DONT-FRAGMENT', ['-g', ...kPeer4]],
  ['mobility', ['-M', ...kPeer4]],
  ['mobility with indications', ['-M', '-s', ...kPeer4]],
  ['more requests than needed', ['-G', ...kPeer4]],
  ['client to client', ['-y']],
  ['client to client by indications', ['-y', '-s']],
  ['client to client over IPv6', ['-y', '-x']],
];

for (const [what, args] of kModes) {
  scenario(`coturn's client: ${what}`, async (t) => {
    const daemon = await turnServer(t);
    await uclient(t, [...kLogin, ...args]);
    await figures(t, daemon, 'the daemon has counted all',
      (turn) => turn.created >= kClients && turn.up.packets >= kClients * kMessages);
  });
}

scenario("coturn's client: a client that comes by IPv6", async (t) => {
  await turnServer(t);
  await uclient(t, [...kLogin, '-x', '-e', kFar.v6], { server: kNear.v6 });
  await uclient(t, [...kLogin, '-X', ...kPeer4], { server: kNear.v6 });
});

scenario("coturn's client: time-limited credentials, made by either side", async (t) => {
  const secret = t.file('turn-secret', 'a secret that both sides know\n');
  const daemon = await turnServer(t, ['--turn-secret', `@${secret}`]);
  await uclient(t, ['-u', 'guest', '-W', 'a secret that both sides know', ...kPeer4]);
  const made = await daemon.fetch('/v1/turn/credentials', { method: 'POST', body: JSON.stringify({ user: 'bob' }),
    headers: { 'Content-Type': 'application/json' } });
  const { username, password } = await made.json();
  await uclient(t, ['-u', username, '-w', password, ...kPeer4]);
});

scenario("coturn's client: several shards", async (t) => {
  const daemon = await turnServer(t, ['--shards', '3']);
  await uclient(t, [...kLogin, ...kPeer4]);
  await uclient(t, [...kLogin, '-y']);
  await uclient(t, [...kLogin, '-M', ...kPeer4]);
  const { shards } = await daemon.json('/v1/shards');
  t.equal(shards.map((shard) => shard.late_allocations), shards.map(() => 0), 'allocations on shards');
});

for (const io of ['uring', 'mmsg']) {
  scenario(`coturn's client: --io ${io} with a socket for each port`, async (t) => {
    await turnServer(t, ['--io', io, '--relay-port-mode', 'sockets', '--transmit', 'sockets']);
    await uclient(t, [...kLogin, ...kPeer4]);
    await uclient(t, [...kLogin, '-y']);
  });
}

scenario("coturn's client: a wrong password opens nothing", async (t) => {
  const daemon = await turnServer(t);
  const child = t.spawn('uclient', 'turnutils_uclient', ['-u', 'alice', '-w', 'guess', ...kPeer4, '-n', '1', kNear.v4],
    { host: t.world.far });
  await t.until('it gives up', () => !child.running, 50);
  await figures(t, daemon, 'it was asked to log in, and never did', (turn) => turn.refused['401'] > 0 && !turn.created);
});

scenario('when the relay ports run out the log says so, and what would help', async (t) => {
  const daemon = await turnServer(t, ['--relay-ports', '50048-50111', '--shards', '1']);
  t.spawn('uclient', 'turnutils_uclient', [...kLogin, ...kPeer4, '-c', '-n', '1', '-m', '80', kNear.v4],
    { host: t.world.far });
  const said = () => daemon.child.lines.filter((line) => line.includes('none left of 50048-50111'));
  await t.until('a line of the log', () => said().length > 0, 20);
  const helps = /level=warning .*[1-9]\d* TURN allocations .* a wider --relay-ports/;
  t.check(helps.test(said()[0]), `it says: ${said()[0]}`);
});

scenario('peers that nobody opened are refused', async (t) => {
  const daemon = await t.daemon(['--turn-user', 'alice:wonderland']);
  const child = t.spawn('uclient', 'turnutils_uclient', [...kLogin, ...kPeer4, '-n', '1', kNear.v4],
    { host: t.world.far });
  await figures(t, daemon, 'it is told so, and nothing reaches the peer',
    (turn) => turn.refused['403'] > 0 && turn.up.packets === 0);
  t.check(!child.lines.some((line) => /Total lost packets 0/.test(line)), 'nothing came back');
});

scenario("coturn's STUN client learns its address", async (t) => {
  await turnServer(t);
  for (const [own, server] of [[kFar.v4, kNear.v4], [kFar.v6, kNear.v6]]) {
    const child = t.spawn('stunclient', 'turnutils_stunclient', [server], { host: t.world.far });
    await t.until('it is done', () => !child.running);
    t.check(child.lines.some((line) => line.includes(own)), `it says ${own}: ${child.lines.join(' | ')}`);
  }
});

