// TURN by TCP and by TLS: the clients that come with coturn, and a browser that may use nothing else.
import { kClients, kLogin, kPeer4, turnServer, uclient } from '../lib/coturn.mjs';
import { scenario } from '../lib/scenario.mjs';
import { kFar, kNear } from '../lib/world.mjs';

/** By all ways. */
function streamServer(t, more = []) {
  const { cert, key } = t.certificate(kNear.v4);
  return turnServer(t, ['--turn-tls-cert', cert, '--turn-tls-key', key, ...more]);
}

const loses0 = (t, args, server) => uclient(t, [...kLogin, ...args], { server, length: 161 });

const kModes = [['channels', kPeer4], ['indications', ['-s', ...kPeer4]], ['without pairs of ports', ['-c', ...kPeer4]],
  ['an IPv6 peer', ['-x', '-e', kFar.v6]], ['mobility', ['-M', ...kPeer4]], ['client to client', ['-y']],
  ['client to client by indications', ['-y', '-s']]];

for (const [name, way] of [['TCP', ['-t']], ['TLS', ['-t', '-S']]]) {
  for (const [what, args] of kModes) {
    const mobile = args.includes('-M');
    if (mobile && name === 'TLS') continue; // in which coturn's client fails against coturn itself
    scenario(`coturn's client by ${name}: ${what}`, async (t) => {
      const daemon = await streamServer(t);
      await loses0(t, [...way, ...args]);
      t.check(await daemon.metric('sluice_streams_recognised_total', 'turn') >= kClients, 'streams carried TURN');
      t.equal(await daemon.metric('sluice_stream_datagrams_dropped_total', 'slow_reader'), 0, 'nothing waited in vain');
      await t.until('the streams are closed', async () => await daemon.metric('sluice_streams') === 0);
      // Mobile ones wait for their clients to come back.
      if (!mobile)
        await t.until('and their allocations with them',
          async () => (await daemon.json('/v1/relay')).turn_figures.allocations === 0);
    });
  }
}

scenario("coturn's client by TCP and TLS: several shards, IPv6", async (t) => {
  const daemon = await streamServer(t, ['--shards', '3']);
  await loses0(t, ['-t', '-M', ...kPeer4]);
  await loses0(t, ['-t', '-S', ...kPeer4]);
  await loses0(t, ['-t', '-X', ...kPeer4], kNear.v6);
  const { shards } = await daemon.json('/v1/shards');
  t.equal(shards.map((shard) => shard.late_allocations), shards.map(() => 0), 'allocations on shards');
});
