// TURN by TCP and by TLS: the clients that come with coturn, and a browser that may use nothing else.
import { scenario } from '../lib/scenario.mjs';
import { kFar, kNear } from '../lib/world.mjs';

const kClients = 4;
const kMessages = 25;
const kPeer = ['-e', kFar.v4];

/** A daemon that serves TURN by all ways, and in the other namespace a peer that echoes. */
async function turnServer(t, more = []) {
  const { cert, key } = t.certificate(kNear.v4);
  const daemon = await t.daemon(['--turn-user', 'alice:wonderland', '--turn-allow-peer', `${kFar.v4}/32`,
    '--turn-allow-peer', `${kFar.v6}/128`, '--turn-tls-cert', cert, '--turn-tls-key', key, ...more]);
  t.spawn('peer', 'turnutils_peer', ['-L', kFar.v4, '-L', kFar.v6, '-p', '3480'], { host: t.world.far });
  return daemon;
}

/** Runs coturn's client; it must lose nothing. */
async function loses0(t, args, server = kNear.v4) {
  const child = t.spawn('uclient', 'turnutils_uclient', ['-u', 'alice', '-w', 'wonderland', ...args,
    '-n', String(kMessages), '-m', String(kClients), '-z', '5', '-l', '161', server], { host: t.world.far });
  await t.until('the client is done', () => !child.running, 50);
  const lost = child.lines.map((line) => /Total lost packets (\d+)/.exec(line)).filter(Boolean).at(-1);
  t.equal(lost?.[1], '0', `packets that uclient ${args.join(' ')} lost`);
}

const kModes = [['channels', kPeer], ['indications', ['-s', ...kPeer]], ['without pairs of ports', ['-c', ...kPeer]],
  ['an IPv6 peer', ['-x', '-e', kFar.v6]], ['mobility', ['-M', ...kPeer]], ['client to client', ['-y']],
  ['client to client by indications', ['-y', '-s']]];

for (const [name, way] of [['TCP', ['-t']], ['TLS', ['-t', '-S']]]) {
  for (const [what, args] of kModes) {
    const mobile = args.includes('-M');
    if (mobile && name === 'TLS') continue; // in which coturn's client fails against coturn itself
    scenario(`coturn's client by ${name}: ${what}`, async (t) => {
      const daemon = await turnServer(t);
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
  const daemon = await turnServer(t, ['--shards', '3']);
  await loses0(t, ['-t', '-M', ...kPeer]);
  await loses0(t, ['-t', '-S', ...kPeer]);
  await loses0(t, ['-t', '-X', ...kPeer], kNear.v6);
  const { shards } = await daemon.json('/v1/shards');
  t.equal(shards.map((shard) => shard.late_allocations), shards.map(() => 0), 'allocations on shards');
});
