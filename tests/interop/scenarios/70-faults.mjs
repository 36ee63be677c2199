// Starting and stopping: one clear line, and the exit code that scripts count on.
import { createSocket } from 'node:dgram';
import { scenario } from '../lib/scenario.mjs';

/** Runs the daemon where it cannot start; one line must say why, and match. */
async function failsToStart(t, args, code, pattern) {
  const child = t.spawn('sluice', t.program, ['run', ...args]);
  await t.until(`sluice run ${args.join(' ')} gives up`, () => !child.running, 10);
  t.equal(child.code, code, `exit code of sluice run ${args.join(' ')}`);
  const errors = child.lines.filter((line) => line.trim() && !/\blevel=(info|debug)\b|\[(info|debug)\]/.test(line));
  t.equal(errors.length, 1, `lines of error of sluice run ${args.join(' ')}: ${errors.join(' | ')}`);
  t.check(pattern.test(errors[0]), `the line names what is wrong: ${errors[0]}`);
}

scenario('SIGTERM without a session ends the daemon at once', async (t) => {
  const daemon = await t.daemon();
  daemon.child.signal('SIGTERM');
  await t.until('it exits', () => !daemon.child.running, 10);
  t.equal(daemon.child.code, 0, 'exit code');
});

scenario('SIGTERM drains: no new session, the old one goes on to its end', async (t) => {
  const daemon = await t.daemon();
  const [tab, late] = [await t.chromium(), await t.chromium()];
  const { id } = await t.echo(tab, daemon.at('/agent/echo'));
  daemon.child.signal('SIGTERM');
  await t.until('readyz says no', async () => (await daemon.fetch('/readyz')).status === 503);
  const refused = await late.call('agent', daemon.at('/agent/echo')).catch((error) => error);
  t.equal(refused.status, 503, 'a new session');
  await t.stillHears(tab, id);
  t.check(daemon.child.running, 'it waits for the session');
  await tab.call('hangUp', id);
  await t.until('it exits after the last session', () => !daemon.child.running, 10);
  t.equal(daemon.child.code, 0, 'exit code');
});

scenario('a drain that lasts too long hangs up', async (t) => {
  const daemon = await t.daemon(['--drain-seconds', '1']);
  const tab = await t.chromium();
  const id = await tab.call('agent', daemon.at('/agent/echo'));
  await t.state(tab, id, 'connected');
  daemon.child.signal('SIGTERM');
  await t.until('it exits', () => !daemon.child.running, 20);
  t.equal(daemon.child.code, 0, 'exit code');
});

scenario('ports in use', async (t) => {
  const daemon = await t.daemon();
  const { host } = new URL(daemon.url);
  await failsToStart(t, ['--http', host, '--listen', '0.0.0.0:0'], 1, /8080/);
  await failsToStart(t, ['--http', '127.0.0.1:0'], 1, /3478/);
  const taken = createSocket('udp4');
  await new Promise((resolve) => { taken.bind(4000, '0.0.0.0', resolve); });
  t.after(() => taken.close());
  await failsToStart(t, ['--http', '127.0.0.1:0', '--listen', '0.0.0.0:4000'], 1, /4000/);
});

scenario('files that cannot be read', async (t) => {
  const key = t.file('key.pem', 'this is no key\n');
  await failsToStart(t, ['--http-cert', '/nowhere/cert.pem', '--http-key', key], 1, /\/nowhere\/cert\.pem/);
  await failsToStart(t, ['--http-cert', key, '--http-key', key], 1, /key\.pem/);
  await failsToStart(t, ['--admin-token', '@/nowhere/token'], 1, /\/nowhere\/token/);
});

scenario('wrong command lines', async (t) => {
  await failsToStart(t, ['--no-such-flag'], 2, /no-such-flag/);
  await failsToStart(t, ['--shards', '100000'], 2, /shards/);
  await failsToStart(t, ['--io', 'telepathy'], 2, /io/);
  await failsToStart(t, ['--listen', 'nonsense'], 2, /listen|nonsense/);
  await failsToStart(t, ['--http', '127.0.0.1:99999'], 2, /http|99999/);
});
