// Many calls at once, by `sluice load`.
import { Edge } from '../lib/edge.mjs';
import { scenario } from '../lib/scenario.mjs';

/** Runs `sluice load MODE ARGS`, on `host`; what it wrote. `meanwhile` is awaited while it runs. */
async function load(t, mode, args, meanwhile = async () => {}, host = undefined) {
  const file = t.path(`${mode}.json`);
  const child = t.spawn(`load-${mode}`, t.program, ['load', mode, ...args, '--quiet', '--json', file], { host });
  await meanwhile();
  const code = await child.exited;
  // 3: the machine was too busy to say anything about latency or the largest load.
  t.check(code === 0 || code === 3, `sluice load ${mode} measured: exit ${code}: ${child.lines.at(-1)}`);
  return JSON.parse(t.read(`${mode}.json`));
}

/** What has to hold of a direction in which nothing may get lost. */
function whole(t, way, sent, what) {
  t.equal({ sent: way.sent, delivered: way.delivered, lost: way.lost, duplicates: way.duplicates,
    reordered: way.reordered, stale: way.stale },
  { sent, delivered: way.expected, lost: 0, duplicates: 0, reordered: 0, stale: 0 }, what);
}

/** Calls to the echo agent: every packet comes back once and in order. */
async function echoes(t, daemon, sessions, seconds) {
  const { setup, result } = await load(t, 'whip',
    ['--url', daemon.url, '--agent', 'echo', '--sessions', sessions, '--seconds', seconds].map(String),
    () => t.until(`${sessions} sessions are connected`,
      async () => (await daemon.json('/v1/engine')).sessions.connected === sessions, 40));
  t.equal([setup.ready, setup.failed], [sessions, 0], 'sessions that came up');
  whole(t, result.up, sessions * seconds * 50, 'packets');
  await t.until('every session is gone', async () => (await daemon.sessions()).length === 0);
  const { shards } = await daemon.json('/v1/shards');
  t.equal(shards.map((shard) => shard.late_allocations), shards.map(() => 0), 'allocations on shards');
  return shards;
}

scenario('200 sessions at once, and not one packet lost', async (t) => {
  await echoes(t, await t.daemon(), 200, 5);
});

for (const io of ['uring', 'mmsg']) {
  scenario(`calls by --io ${io}`, async (t) => {
    const shards = await echoes(t, await t.daemon(['--io', io]), 20, 2);
    t.check(shards.every((shard) => shard.io === io), `the shards say so: ${shards.map((shard) => shard.io)}`);
  });
}

for (const srtp of ['ipsec-mb', 'openssl', 'libsrtp']) {
  scenario(`calls by --srtp ${srtp}`, async (t) => {
    const daemon = await t.daemon(['--srtp', srtp]);
    await echoes(t, daemon, 20, 2);
    t.equal((await daemon.json('/v1/engine')).srtp, srtp, 'what the engine says');
  });
}

for (const count of [1, 3]) {
  scenario(`calls by --shards ${count}`, async (t) => {
    const shards = await echoes(t, await t.daemon(['--shards', String(count)]), 20, 2);
    t.equal(shards.length, count, 'shards');
  });
}

scenario('publishers with players, and not one packet lost', async (t) => {
  const daemon = await t.daemon();
  const { setup, result } = await load(t, 'whip', ['--url', daemon.url, '--players', '4', '--sessions', '50',
    '--seconds', '3', '--dtx']);
  t.equal([setup.ready, setup.failed], [50, 0], 'sessions that came up');
  t.equal(result.up.expected, result.up.sent * 4, 'arrivals');
  whole(t, result.up, result.up.sent, 'packets');
});

/** Packets that were not sent because the other end of a trunk had not answered for 70 ms. */
async function refusedByTrunk(daemon) {
  const text = await (await daemon.fetch('/metrics')).text();
  return [...text.matchAll(/^sluice_(?:drops|unsent)_total\{reason="server_down",\S+ (\d+)/gm)]
    .reduce((sum, [, count]) => sum + Number(count), 0);
}

scenario('publishers with players by the trunk of a relay, lost is at most what a dead trunk refused', async (t) => {
  const players = 4;
  const edge = await Edge.make(t, { leg: 'trunk' });
  const media = await edge.startMedia();
  const relay = await edge.startRelay();
  await t.until('the trunk is up', async () => (await relay.json('/v1/servers')).servers[0].state === 'up');
  const { setup, result } = await load(t, 'whip', ['--url', media.url, '--players', String(players), '--sessions', '50',
    '--seconds', '3'], undefined, edge.client);
  t.equal([setup.ready, setup.failed], [50, 0], 'sessions that came up');
  t.equal(result.up.expected, result.up.sent * players, 'arrivals');
  const allowed = await refusedByTrunk(relay) * players + await refusedByTrunk(media);
  t.check(result.up.lost <= allowed, `lost: ${result.up.lost} of ${result.up.expected}; allowed: ${allowed}`);
  const { flows, unconfirmed, up, down } = await relay.json('/v1/relay');
  t.equal([flows, unconfirmed], [50, 0], 'flows of the relay');
  t.check(down.packets >= result.up.delivered && up.packets * players >= result.up.delivered,
    `all media went by the relay: ${up.packets}, ${down.packets}`);
});

scenario('plain packets through a forwarder, and not one packet lost', async (t) => {
  const forwarder = t.spawn('forwarder', t.program, ['load', 'forwarder', '--listen', '127.0.0.1:5000']);
  await t.until('the forwarder says ready', () => forwarder.lines.some((line) => line.startsWith('ready')));
  const { result } = await load(t, 'udp', ['--to', '127.0.0.1:5000', '--path', 'pairs', '--sessions', '100',
    '--seconds', '2']);
  whole(t, result.up, 100 * 2 * 50, 'packets of clients');
  whole(t, result.down, result.down.sent, 'packets to clients');
});

/** Both of them as `--route-key` and `--ice-key` want them. */
const fleetKeys = (t) => ['--route-key', `@${t.file('route.key', 'the route key of this test alone\n')}`,
  '--ice-key', `@${t.file('ice.key', 'the ICE key of this test alone\n')}`];

/** 200 clients through a relay to servers of the generator's own; `to`: the relay. */
async function relayed(t, relay, keys, to, args) {
  const { setup, result } = await load(t, 'relay', ['--to', to, ...keys, '--server', '7', '--sessions', '200',
    '--rate', '10', '--seconds', '2', ...args]);
  t.equal([setup.ready, setup.failed], [200, 0], 'sessions that came up');
  for (const way of ['up', 'down']) whole(t, result[way], 200 * 2 * 10, `packets ${way}`);
  const { flows, unconfirmed, up, down } = await relay.json('/v1/relay');
  t.equal([flows, unconfirmed], [200, 0], 'flows');
  t.check(up.packets >= 4000 && down.packets >= 4000, `the relay counted them: ${up.packets}, ${down.packets}`);
  const { shards } = await relay.json('/v1/shards');
  t.equal(shards.map((shard) => shard.late_allocations), shards.map(() => 0), 'allocations on shards');
}

/** The pair of interfaces at which the generator writes frames: 198.18.0.1 to .4 are the server's. */
async function generatorsPair(t) {
  const pair = t.spawn('veth', t.program, ['load', 'veth', '--name', 'interop']);
  await t.until('the pair is there', () => pair.lines.includes('ready veth=interop'));
  t.after(async () => {
    pair.signal('SIGTERM');
    await pair.exited;
  });
}

scenario('200 clients through the relay by frames, and not one packet lost', async (t) => {
  await generatorsPair(t);
  const keys = fleetKeys(t);
  const relay = await t.daemon(['--role', 'relay', ...keys.slice(0, 2), '--listen', '198.18.0.1:3478',
    '--relay-address', '198.18.0.2', '--server', '7=198.19.0.1:7000']);
  await relayed(t, relay, keys, '198.18.0.1:3478', ['--via', 'interop']);
});

scenario('200 clients through the relay by plain sockets, and not one packet lost', async (t) => {
  const keys = fleetKeys(t);
  const relay = await t.daemon(['--role', 'relay', ...keys.slice(0, 2), '--listen', '127.0.0.1:3478', '--io', 'mmsg',
    '--relay-address', '127.0.0.1', '--relay-port-mode', 'sockets', '--transmit', 'sockets',
    '--server', '7=127.0.0.1:7000']);
  await relayed(t, relay, keys, '127.0.0.1:3478', ['--serve', '127.0.0.1:7000']);
});

for (const [what, args] of [['channels', []], ['indications', ['--indications']]]) {
  scenario(`200 TURN clients with ${what}, and not one packet lost`, async (t) => {
    await generatorsPair(t);
    const turn = await t.daemon(['--role', 'relay', '--listen', '198.18.0.1:3478', '--relay-address', '198.18.0.2',
      '--turn-user', 'alice:wonderland', '--turn-allow-peer', '198.19.0.0/16']);
    const { setup, result } = await load(t, 'turn', ['--to', '198.18.0.1:3478', '--user', 'alice:wonderland',
      '--via', 'interop', '--sessions', '200', '--rate', '10', '--seconds', '2', ...args]);
    t.equal([setup.ready, setup.failed], [200, 0], 'sessions that came up');
    for (const way of ['up', 'down']) whole(t, result[way], 200 * 2 * 10, `packets ${way}`);
    const { shards } = await turn.json('/v1/shards');
    t.equal(shards.map((shard) => shard.late_allocations), shards.map(() => 0), 'allocations on shards');
  });
}
