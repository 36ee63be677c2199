// Many calls at once, by `sluice load`.
import { scenario } from '../lib/scenario.mjs';

/** Runs `sluice load MODE ARGS`; what it wrote. `meanwhile` is awaited while it runs. */
async function load(t, mode, args, meanwhile = async () => {}) {
  const file = t.path(`${mode}.json`);
  const child = t.spawn(`load-${mode}`, t.program, ['load', mode, ...args, '--quiet', '--json', file]);
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

scenario('plain packets through a forwarder, and not one packet lost', async (t) => {
  const forwarder = t.spawn('forwarder', t.program, ['load', 'forwarder', '--listen', '127.0.0.1:5000']);
  await t.until('the forwarder says ready', () => forwarder.lines.some((line) => line.startsWith('ready')));
  const { result } = await load(t, 'udp', ['--to', '127.0.0.1:5000', '--path', 'pairs', '--sessions', '100',
    '--seconds', '2']);
  whole(t, result.up, 100 * 2 * 50, 'packets of clients');
  whole(t, result.down, result.down.sent, 'packets to clients');
});
