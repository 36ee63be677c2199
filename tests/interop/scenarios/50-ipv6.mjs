// Server in one network namespace, Chromium in another, IPv6 between them.
import { scenario } from '../lib/scenario.mjs';
import { kNear } from '../lib/world.mjs';

scenario('a call over IPv6 between two hosts', async (t) => {
  const pages = await t.pages(kNear.v6);
  const admin = 'an admin token for this test alone';
  const daemon = await t.daemon(['--http', `[${kNear.v6}]:8080`, '--listen', `[${kNear.v6}]:3478`,
    '--http-origin', pages.url, '--admin-token', `@${t.file('admin.token', `${admin}\n`)}`]);
  daemon.headers.Authorization = `Bearer ${admin}`;
  const options = { host: t.world.far, secure: pages.url, url: pages.url };
  const [publisher, player] = [await t.chromium(options), await t.chromium(options)];
  await t.state(publisher, await publisher.call('publish', daemon.at('/whip/hall')), 'connected');
  const got = await t.play(player, daemon.at('/whep/hall'));
  const remotes = (await daemon.sessions()).map(({ remote }) => remote);
  t.equal(remotes.length, 2, 'sessions');
  t.check(remotes.every((remote) => remote.startsWith('[fd77::2')), `both come by IPv6: ${remotes}`);
});

scenario('a call over IPv4 between two hosts, with the addresses the daemon found itself', async (t) => {
  const pages = await t.pages(kNear.v4);
  const admin = 'an admin token for this test alone';
  const daemon = await t.daemon(['--http', `${kNear.v4}:8080`, '--http-origin', pages.url,
    '--admin-token', `@${t.file('admin.token', `${admin}\n`)}`]);
  daemon.headers.Authorization = `Bearer ${admin}`;
  const tab = await t.chromium({ host: t.world.far, secure: pages.url, url: pages.url });
  await t.echo(tab, daemon.at('/agent/echo'));
});
