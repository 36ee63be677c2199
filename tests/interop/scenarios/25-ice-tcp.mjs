// Chromium where UDP does not get through: ICE-TCP (RFC 6544) on the port of --listen.
import { execFileSync } from 'node:child_process';
import { scenario } from '../lib/scenario.mjs';

const streams = (daemon) => daemon.metric('sluice_streams', 'tls="no"');

/** Whether the pair in use goes by TCP, as Chromium sees it. */
async function goesByTcp(tab, id) {
  const stats = await tab.call('stats', id);
  const { selectedCandidatePairId: selected } = stats.find(({ type }) => type === 'transport');
  const pair = stats.find((entry) => entry.id === selected);
  return stats.find((entry) => entry.id === pair?.localCandidateId)?.protocol === 'tcp';
}

scenario('Chromium has a call by TCP alone', async (t) => {
  const daemon = await t.daemon();
  const { tab, id } = await t.echo(await t.chromium(), daemon.at('/agent/echo'), { transport: 'tcp' });
  t.check(await goesByTcp(tab, id), 'the selected pair is TCP');
  t.check(await streams(daemon) > 0, 'a stream is open');
  await tab.call('hangUp', id);
  await t.until('the streams are closed', async () => await streams(daemon) === 0);
  for (const reason of ['ring_full', 'slow_reader', 'oversize'])
    t.equal(await daemon.metric('sluice_stream_datagrams_dropped_total', reason), 0, reason);
});

scenario('publisher by UDP, player by TCP, and the other way round', async (t) => {
  const daemon = await t.daemon();
  for (const [room, up, down] of [['one', 'udp', 'tcp'], ['two', 'tcp', 'udp']]) {
    const [publisher, player] = [await t.chromium(), await t.chromium()];
    const sent = await t.publish(publisher, daemon.at(`/whip/${room}`), { transport: up });
    const got = await t.play(player, daemon.at(`/whep/${room}`), { transport: down });
    t.equal(await goesByTcp(player, got), down === 'tcp', `the player of room ${room} listens by ${down}`);
  }
});

scenario('UDP is preferred where both get through', async (t) => {
  const daemon = await t.daemon();
  const { tab, id } = await t.echo(await t.chromium(), daemon.at('/agent/echo'));
  t.check(!await goesByTcp(tab, id), 'the selected pair is UDP');
  t.check((await tab.call('answer', id)).includes('typ host tcptype passive'), 'TCP was offered');
});

scenario('a TCP port that another program has costs one line, no more', async (t) => {
  const squatter = await t.occupiedTcp();
  const daemon = await t.daemon(['--listen', `127.0.0.1:${squatter}`]);
  const said = daemon.child.lines.filter((line) => line.includes(`TCP 127.0.0.1:${squatter}`));
  t.equal(said.length, 1, 'lines about it');
  const tab = await t.chromium();
  const id = await tab.call('agent', daemon.at('/agent/echo'));
  await t.state(tab, id, 'connected');
  t.check(!(await tab.call('answer', id)).includes(' tcp '), 'no TCP candidate');
});

// By ICE restarts: Chromium may have let go of TCP for good once UDP was quick enough.
scenario('a call goes on by TCP when UDP is cut, and by UDP once it gets through again', async (t) => {
  const daemon = await t.daemon();
  const { tab, id } = await t.echo(await t.chromium(), daemon.at('/agent/echo'));
  t.check(!await goesByTcp(tab, id), 'it begins by UDP');
  const [before] = await daemon.sessions();
  const nft = (words) => execFileSync('nft', words.split(' '), { stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => nft('delete table inet cut'));
  await tab.call('watch', id);
  nft('add table inet cut');
  nft('add chain inet cut input { type filter hook input priority 0 ; }');
  nft('add rule inet cut input meta l4proto udp drop');
  await tab.call('restartIce', id);
  await t.until('it goes by TCP', () => goesByTcp(tab, id), 60);
  await t.stillHears(tab, id);
  t.say(`to TCP: ${await tab.call('gap', id)} ms without sound`);
  nft('flush chain inet cut input');
  await tab.call('restartIce', id);
  await t.until('it goes by UDP again', async () => !await goesByTcp(tab, id), 90);
  await t.stillHears(tab, id);
  const [after] = await daemon.sessions();
  t.equal([after.id, after.state], [before.id, 'connected'], 'the session');
  t.check(after.moves >= before.moves + 2, `it moved there and back: ${after.moves}`);
}, { seconds: 240 });
