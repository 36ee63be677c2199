// The network that the scenarios live in: a namespace that sees neither the machine's network nor its ports, with
//   lo, and `near` 10.77.0.1 fd77::1  <-- veth -->  `far` 10.77.0.2 fd77::2 in a second namespace.
import { execFileSync, spawn, spawnSync } from 'node:child_process';

export const kNear = { v4: '10.77.0.1', v6: 'fd77::1' };
export const kFar = { v4: '10.77.0.2', v6: 'fd77::2' };

/** Runs `script` again inside the namespace, with everything it starts dying with it. Returns the exit code. */
export function enterWorld(script) {
  const apart = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const probe = spawnSync('unshare', [...user, ...apart, 'true'], { encoding: 'utf8' });
  if (probe.status !== 0) {
    console.error('interop: needs network namespaces: run it as root, or allow them to users '
      + `(sysctl kernel.unprivileged_userns_clone=1): ${(probe.stderr ?? probe.error?.message ?? '').trim()}`);
    return 1;
  }
  const run = spawnSync('unshare', [...user, ...apart, process.execPath, script, '--inside', ...process.argv.slice(2)],
    { stdio: 'inherit' });
  return run.status ?? 1;
}

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });

/** Sets the namespaces up. `far` is a prefix for commands that are to run in the second one. */
export function makeWorld() {
  const holder = spawn('unshare', ['--net', '--kill-child', '--fork', 'sh', '-c', 'echo ready; exec sleep infinity'],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  const inner = waitForChild(holder.pid);
  const far = ['nsenter', `--target=${inner}`, '--net', '--'];
  const farIp = (...args) =>
    execFileSync(far[0], [...far.slice(1), 'ip', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far', 'netns', String(inner));
  for (const [run, name, own, other] of [[ip, 'near', kNear, kFar], [farIp, 'far', kFar, kNear]]) {
    run('address', 'add', `${own.v4}/24`, 'dev', name);
    run('address', 'add', `${own.v6}/64`, 'dev', name, 'nodad');
    run('link', 'set', name, 'up');
    run('route', 'add', 'default', 'via', other.v4);
    run('-6', 'route', 'add', 'default', 'via', other.v6);
  }
  farIp('link', 'set', 'lo', 'up');
  return { far };
}

/** PID of the process inside the second namespace, once it runs there. */
function waitForChild(parent) {
  const deadline = Date.now() + 5000;
  while (Date.now() < deadline) {
    const { stdout } = spawnSync('pgrep', ['-P', String(parent), '-x', 'sleep'], { encoding: 'utf8' });
    if (stdout.trim()) return Number(stdout);
  }
  throw new Error('the second network namespace did not come up');
}
