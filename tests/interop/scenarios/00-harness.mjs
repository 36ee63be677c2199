// The instruments themselves, with no Sluice between.
import { scenario } from '../lib/scenario.mjs';

scenario('Chromium recognises the tone sequence in a call with itself', async (t) => {
  const tab = await t.chromium();
  await t.hears(tab, await tab.call('loop'));
});

scenario('Firefox recognises the tone sequence in a call with itself', async (t) => {
  const tab = await t.firefox();
  await t.hears(tab, await tab.call('loop'));
});
