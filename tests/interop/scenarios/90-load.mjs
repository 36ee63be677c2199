// Many calls at once, by a client built of the same protocol libraries (load/).
import { join } from 'node:path';
import { scenario } from '../lib/scenario.mjs';

/** Runs the load client against the daemon: every packet comes back once, undamaged and in order. */
async function echoes(t, daemon, sessions, seconds) {
  const load = t.spawn('load', join(t.program, '../../../tests/interop/load/interop_load'),
    [new URL(daemon.url).host, String(sessions), String(seconds)]);
  await t.until(`${sessions} sessions are connected`,
    async () => (await daemon.json('/v1/engine')).sessions.connected === sessions, 40);
  await load.exited;
  const line = load.lines.find((text) => text.startsWith('{'));
  t.check(line, `the load client finished: ${load.lines.at(-1)}`);
  const { sent, returned, twice, out_of_order: disorder, damaged } = JSON.parse(line);
  t.equal({ sent, returned, twice, disorder, damaged },
    { sent: sessions * seconds * 50, returned: sent, twice: 0, disorder: 0, damaged: 0 }, 'packets');
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
