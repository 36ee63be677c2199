// Many calls at once, by a client built of the same protocol libraries (load/).
import { join } from 'node:path';
import { scenario } from '../lib/scenario.mjs';

scenario('200 sessions at once, and not one packet lost', async (t) => {
  const daemon = await t.daemon();
  const load = t.spawn('load', join(t.program, '../../../tests/interop/load/interop_load'),
    [new URL(daemon.url).host, '200', '5']);
  await t.until('200 sessions are connected', async () => (await daemon.json('/v1/engine')).sessions.connected === 200,
    40);
  await load.exited;
  const line = load.lines.find((text) => text.startsWith('{'));
  t.check(line, `the load client finished: ${load.lines.at(-1)}`);
  const { sent, returned, twice, out_of_order: disorder, damaged } = JSON.parse(line);
  t.equal({ sent, returned, twice, disorder, damaged },
    { sent: 200 * 5 * 50, returned: sent, twice: 0, disorder: 0, damaged: 0 }, 'packets');
  const shards = (await daemon.json('/v1/shards')).shards;
  t.equal(shards.map((shard) => shard.late_allocations), shards.map(() => 0), 'allocations on shards');
});
