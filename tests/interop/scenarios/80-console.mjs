// The web console, used as a person would.
import { Edge } from '../lib/edge.mjs';
import { scenario } from '../lib/scenario.mjs';
import { inBrowser, mediaElsewhere, turnAt } from '../lib/turn.mjs';

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

scenario('a relay shows its servers and what goes through, in the console and in sluice top', async (t) => {
  const edge = await Edge.make(t);
  const media = await edge.startMedia();
  const relay = await edge.startRelay(['--server', '8=[fd77:2::88]:3478']);
  await edge.talking(media);
  const page = await consoleOf(t, relay);
  await t.until('the relay is shown', () => page.locator('#relay').isVisible());
  t.check(!await page.locator('#talk').isVisible(), 'nobody is invited to talk to a relay');
  const cells = async () => (await page.locator('#servers tbody tr').allInnerTexts())
    .map((text) => text.split('\t').slice(1)); // behind the colour
  const row = await t.until('packets go up and down', async () => {
    const first = (await cells()).find(([name]) => name === '7');
    return Number(first[7]) > 20 && Number(first[8]) > 20 && first;
  });
  t.equal(row.slice(0, 7), ['7', edge.server, 'ports', '', '1', '0', '0'], 'the row of node 7');
  const totals = await page.locator('#relay-totals').innerText();
  t.check(/^1 of 65.5 k flows/.test(totals), `totals: ${totals}`);
  await page.screenshot({ path: t.path('relay.png'), fullPage: true });
  const top = t.spawn('top', t.program, ['top', '--http', relay.url, '--once']);
  await top.exited;
  t.check(top.lines.some((line) => new RegExp(`^\\s*7 ${edge.server}\\s+ports\\s+1\\s+0\\s+0 `).test(line)),
    `sluice top shows node 7: ${top.lines.join('\n')}`);
});

scenario('TURN shows its live allocations and what goes through them, in the console and in sluice top', async (t) => {
  const edge = await Edge.make(t);
  const media = await mediaElsewhere(edge);
  const { turn, server } = await turnAt(t, edge);
  const page = await consoleOf(t, turn);
  const figures = () => page.locator('#turn-totals').innerText();
  await t.until('the panel is there before anybody is',
    async () => /^0 of [\d.]+ k allocations · 0 made/.test(await figures()));
  const { tab, id } = await inBrowser(await edge.chromium(), media.at('/agent/echo'), server);
  await t.talks(tab, id);
  const live = await t.until('allocations and rates', async () => {
    const text = await figures();
    const rates = / ([\d.]+)( k)? pkt\/s up, ([\d.]+)( k)? pkt\/s down/.exec(text);
    return /^[1-9]\d* of /.test(text) && Number(rates?.[1]) > 20 && Number(rates?.[3]) > 20 && text;
  });
  t.check(/[1-9]\d* asked to log in/.test(live), `who came without credentials was asked for them: ${live}`);
  t.check(await page.locator('#turn').isVisible(), 'the panel is to be seen');
  await page.screenshot({ path: t.path('turn.png'), fullPage: true });
  const { allocations } = (await turn.json('/v1/relay')).turn_figures;
  const top = t.spawn('top', t.program, ['top', '--http', turn.url, '--once']);
  await top.exited;
  t.check(top.lines.some((line) => new RegExp(`TURN.*\\b${allocations}\\b`).test(line)),
    `sluice top shows ${allocations} allocations: ${top.lines.join('\n')}`);
  await tab.call('hangUp', id);
  await t.until('the browser lets them go', async () => /^0 of /.test(await figures()));
});
