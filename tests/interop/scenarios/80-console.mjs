// The web console, used as a person would.
import { scenario } from '../lib/scenario.mjs';

/** The console in a browser of its own, with the tone sequence as its microphone. */
async function consoleOf(t, daemon, options = {}) {
  const tab = await t.chromium({ url: `${daemon.url}/`, bare: true, microphone: true, ...options });
  return tab.page;
}

const rows = (page) => page.$$eval('#sessions tbody tr', (list) => list.map((row) => row.innerText.split('\t')
  .map((text) => text.trim())));
const rowWith = (t, page, ...words) => t.until(`the table has a row with ${words}`,
  async () => (await rows(page)).find((row) => words.every((word) => row.includes(word))));

scenario('Talk: connected, both meters move, the figures are live, hang up ends it', async (t) => {
  const daemon = await t.daemon();
  const page = await consoleOf(t, daemon);
  await page.getByRole('button', { name: 'Talk', exact: true }).click();
  await rowWith(t, page, 'agent', 'echo', 'connected');
  for (const name of ['sent', 'received']) {
    await t.until(`the meter "${name}" moves`, async () => Number(await page.getByRole('meter', { name })
      .getAttribute('aria-valuenow')) > -40);
  }
  await t.until('packets flow', async () => /[1-9]/.test(await page.locator('#totals').innerText()));
  await page.locator('#sessions tbody tr').first().click();
  await t.until('the details show the setup', async () => {
    const text = await page.locator('#detail').innerText();
    return /AEAD_AES|AES_CM/.test(text) && !text.includes('not yet');
  });
  await page.locator('#talk').click();
  await t.until('the server has no session left', async () => (await daemon.sessions()).length === 0);
  await t.until('the table is empty', async () => (await rows(page)).length === 0);
});

scenario('publish in one tab, play in another, an operator hangs up', async (t) => {
  const daemon = await t.daemon();
  const publisher = await consoleOf(t, daemon);
  await publisher.locator('#publish input[name=room]').fill('standup');
  await publisher.getByRole('button', { name: 'Publish', exact: true }).click();
  await rowWith(t, publisher, 'publish', 'standup', 'connected');
  const player = await consoleOf(t, daemon);
  await player.getByRole('button', { name: /^standup/ }).click();
  await rowWith(t, player, 'play', 'standup', 'connected');
  await t.until('sound arrives', async () => Number(await player.getByRole('meter', { name: 'received' })
    .getAttribute('aria-valuenow')) > -40);
  const [{ id }] = (await daemon.sessions()).filter(({ role }) => role === 'play');
  await publisher.getByRole('button', { name: `Hang up session ${id}, standup` }).click();
  await t.until('the player is gone', async () => (await daemon.sessions()).every(({ role }) => role !== 'play'));
});

scenario('the console asks for the admin token and says what is wrong with a bad one', async (t) => {
  const daemon = await t.daemon(['--admin-token', `@${t.file('admin.token', 'an admin token for this test alone\n')}`]);
  const page = await consoleOf(t, daemon);
  const token = page.getByLabel('Token', { exact: true });
  await token.fill('not the token');
  await token.press('Enter');
  await t.until('it says that the token is wrong', async () =>
    (await page.locator('#login-error').innerText()).length > 5);
  await token.fill('an admin token for this test alone');
  await token.press('Enter');
  await t.until('figures are live', async () => (await page.locator('#link').innerText()) === 'live');
});

scenario('the console breaks none of its own rules, on a phone as well', async (t) => {
  const daemon = await t.daemon();
  const tab = await t.chromium({ url: `${daemon.url}/`, bare: true, viewport: { width: 360, height: 740 } });
  await t.until('figures are live', async () => (await tab.page.locator('#link').innerText()) === 'live');
  await tab.page.locator('#theme').click();
  const wide = await tab.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  t.check(wide <= 0, `the page is ${wide} pixels wider than the phone`);
  const complaints = tab.log.filter((line) => /^(error|uncaught|warning)/.test(line));
  t.equal(complaints, [], 'what the browser complains about');
});
