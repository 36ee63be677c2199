// Firefox ESR, aiortc and GStreamer webrtcbin: each publishes to Chromium, plays from Chromium and talks to echo.
import { scenario } from '../lib/scenario.mjs';

const kStacks = {
  Firefox: (t, action, url) => t.firefox().then(async (tab) => ({ tab, id: await tab.call(action, url) })),
  aiortc: async (t, action, url) => ({ tab: t.python('aiortc_peer', [action, url]), id: 0 }),
  GStreamer: async (t, action, url) => ({ tab: t.python('gst_peer', [action, url]), id: 0 }),
};

for (const [name, make] of Object.entries(kStacks)) {
  scenario(`${name} publishes and Chromium hears it`, async (t) => {
    const daemon = await t.daemon();
    const { tab, id } = await make(t, 'publish', daemon.at('/whip/hall'));
    await t.state(tab, id, 'connected');
    const chromium = await t.chromium();
    await t.hears(chromium, await chromium.call('play', daemon.at('/whep/hall')));
    await tab.call('hangUp', id);
    await t.until('the publisher is gone',
      async () => (await daemon.sessions()).every(({ role }) => role !== 'publish'));
  });

  scenario(`Chromium publishes and ${name} hears it`, async (t) => {
    const daemon = await t.daemon();
    const chromium = await t.chromium();
    await t.state(chromium, await chromium.call('publish', daemon.at('/whip/hall')), 'connected');
    const { tab, id } = await make(t, 'play', daemon.at('/whep/hall'));
    await t.hears(tab, id);
  });

  scenario(`${name} hears itself from the echo agent`, async (t) => {
    const daemon = await t.daemon();
    const { tab, id } = await make(t, 'agent', daemon.at('/agent/echo'));
    await t.talks(tab, id);
  });
}

scenario('aiortc offers a data channel too, which is refused, and hears itself', async (t) => {
  const daemon = await t.daemon();
  const tab = t.python('aiortc_peer', ['agent-and-channel', daemon.at('/agent/echo')]);
  await t.hears(tab, 0);
  // aiortc's own state stays at `connecting`: it waits for a transport of the refused m-line, which has none
  // (RFC 9143 §7.3.3: it is not in the BUNDLE group).
  await t.until('the session is connected',
    async () => (await daemon.sessions()).some(({ role, state }) => role === 'agent' && state === 'connected'));
  await tab.call('hangUp');
  await t.until('the session is gone', async () => (await daemon.sessions()).length === 0);
});
