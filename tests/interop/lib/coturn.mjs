// A daemon that serves TURN, and the clients that come with coturn.
import { kFar, kNear } from './world.mjs';

export const kLogin = ['-u', 'alice', '-w', 'wonderland'];
export const kPeer4 = ['-e', kFar.v4];
export const kClients = 4;
export const kMessages = 25;

/** In the other namespace is a peer that echoes. */
export async function turnServer(t, more = []) {
  const daemon = await t.daemon(['--turn-user', 'alice:wonderland', '--turn-allow-peer', `${kFar.v4}/32`,
    '--turn-allow-peer', `${kFar.v6}/128`, ...more]);
  t.spawn('peer', 'turnutils_peer', ['-L', kFar.v4, '-L', kFar.v6, '-p', '3480'], { host: t.world.far });
  return daemon;
}

/** Runs coturn's client with payloads of `length` bytes; it must lose nothing. */
export async function uclient(t, args, { server = kNear.v4, length = 160 } = {}) {
  const child = t.spawn('uclient', 'turnutils_uclient', [...args, '-n', String(kMessages), '-m', String(kClients),
    '-z', '5', '-l', String(length), server], { host: t.world.far });
  await t.until('the client is done', () => !child.running, 50);
  const lost = child.lines.map((line) => /Total lost packets (\d+)/.exec(line)).filter(Boolean).at(-1);
  t.check(lost, `uclient ${args.join(' ')} says what was lost: ${child.lines.at(-1)}`);
  t.equal(Number(lost[1]), 0, `packets that uclient ${args.join(' ')} lost`);
}
