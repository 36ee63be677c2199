// The network that the scenarios live in: a namespace that sees neither the machine's network nor its ports, with
//   lo, and `near` 10.77.0.1 fd77::1  <-- veth -->  `far` 10.77.0.2 fd77::2 in a second namespace.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

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

const pauseSync = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** A network namespace with nothing up in it. `prefix`: runs a command in it; it ends with `holder`. */
export function makeNamespace() {
  const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  const deadline = Date.now() + 5000;
  const running = () => readFileSync(`/proc/${holder.pid}/comm`, 'utf8').trim() === 'sleep';
  while (!running()) {
    if (Date.now() > deadline) throw new Error('a network namespace did not come up');
    pauseSync(5);
  }
  return { holder, pid: holder.pid, prefix: ['nsenter', `--target=${holder.pid}`, '--net', '--'] };
}

/** Sets the namespaces up. `far`: the second one. */
export function makeWorld() {
  // Names of namespaces that somebody makes in here by `ip netns` are of this world only.
  execFileSync('sh', ['-c', 'mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns']);
  const far = makeNamespace();
  const farIp = (...args) => execFileSync(far.prefix[0], [...far.prefix.slice(1), 'ip', ...args],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far', 'netns', String(far.pid));
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
