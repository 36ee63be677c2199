// Video is forwarded untouched: Chromium's fake camera to Chromium.
import { scenario } from '../lib/scenario.mjs';

const inbound = async (tab, id) => (await tab.call('stats', id))
  .find(({ type, kind }) => type === 'inbound-rtp' && kind === 'video') ?? {};
const outbound = async (tab, id) => (await tab.call('stats', id))
  .find(({ type, kind }) => type === 'outbound-rtp' && kind === 'video') ?? {};

const decodes = (t, tab, id, more) => inbound(tab, id).then(({ framesDecoded: before = 0 }) => t.until(
  `${tab.name} decodes ${more} further frames`,
  async () => ((await inbound(tab, id)).framesDecoded ?? 0) >= before + more));

for (const codec of ['VP8', 'H264']) {
  scenario(`Chromium plays the ${codec} that Chromium publishes`, async (t) => {
    const daemon = await t.daemon();
    const [publisher, player] = [await t.chromium(), await t.chromium()];
    const sent = await t.publish(publisher, daemon.at('/whip/stage'), { video: true, codec });
    const got = await player.call('play', daemon.at('/whep/stage'), { video: true });
    await t.state(player, got, 'connected');
    await decodes(t, player, got, 30);
    await t.hears(player, got);
    const codecs = (await player.call('stats', got)).filter(({ type }) => type === 'codec').map((c) => c.mimeType);
    t.check(codecs.includes(`video/${codec}`), `${codec} is what is played, not ${codecs}`);
  });
}

scenario('a player that joins late asks for a key frame and gets it', async (t) => {
  const daemon = await t.daemon();
  const [publisher, player] = [await t.chromium(), await t.chromium()];
  const sent = await t.publish(publisher, daemon.at('/whip/stage'), { video: true, codec: 'VP8' });
  await t.until('the publisher is well past its first key frame',
    async () => (await outbound(publisher, sent)).framesEncoded > 40);
  const before = await outbound(publisher, sent);
  const got = await player.call('play', daemon.at('/whep/stage'), { video: true });
  await decodes(t, player, got, 15);
  const after = await outbound(publisher, sent);
  t.check(after.pliCount > (before.pliCount ?? 0), 'the publisher was asked for a key frame');
  t.check(after.keyFramesEncoded > before.keyFramesEncoded, 'the publisher made one');
});

scenario('a publisher that takes a room over goes on where the first one stopped', async (t) => {
  const secret = t.file('room.secret', 'a room secret of fair length for this test\n');
  const daemon = await t.daemon(['--room-secret', `@${secret}`]);
  const token = (...allow) => daemon.token(secret, 'stage', ...allow);
  const [first, second, player] = [await t.chromium(), await t.chromium(), await t.chromium()];
  const options = { video: true, codec: 'VP8' };
  const one = await t.publish(first, daemon.at('/whip/stage'),
    { ...options, token: await token('--allow', 'publish') });
  const got = await player.call('play', daemon.at('/whep/stage'),
    { video: true, token: await token('--allow', 'play') });
  await decodes(t, player, got, 15);
  await t.hears(player, got);
  const two = await t.publish(second, daemon.at('/whip/stage?takeover=1'),
    { ...options, token: await token('--allow', 'publish', '--takeover') });
  await t.until('only one publisher is left', async () => (await daemon.sessions())
    .filter(({ role }) => role === 'publish').length === 1);
  await decodes(t, player, got, 30);
  await t.stillHears(player, got);
  t.equal((await player.call('state', got)).state, 'connected', 'the player never noticed');
}, { seconds: 90 });
