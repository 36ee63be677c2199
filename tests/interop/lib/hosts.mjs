// Hosts of a scenario: network namespaces with links between them. What listens on 127.0.0.1 of one of them is
// reached on 127.0.0.1 of all, and of the runner, once its port is shared.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listen, serve } from './gate.mjs';
import { makeNamespace } from './world.mjs';

const kGate = fileURLToPath(new URL('gate.mjs', import.meta.url));
const kRunner = 'runner';

export class Host {
  constructor(hosts, name) {
    Object.assign(this, { hosts, name, addresses: {}, ...makeNamespace() });
    this.run('ip', 'link', 'set', 'lo', 'up');
    // A new namespace takes these from the machine.
    this.set('net/ipv4/ip_forward', 0);
    this.set('net/ipv6/conf/all/forwarding', 0);
    this.set('net/ipv6/conf/default/accept_dad', 0);
  }

  run(command, ...args) {
    const [program, ...rest] = [...this.prefix, command, ...args];
    return execFileSync(program, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  ip(words) { return this.run('ip', ...words.split(' ')); }

  set(name, value) { this.run('sh', '-c', `echo ${value} > /proc/sys/${name}`); }

  async open() {
    this.gate = this.hosts.test.spawn(`gate-${this.name}`, process.execPath, [kGate, this.hosts.dir, this.name],
      { host: this });
    await this.hosts.test.until(`the gate of ${this.name}`, () => this.gate.lines.includes('ready'));
  }

  async listen(port, owner) {
    this.gate.process.stdin.write(`${port} ${owner.name}\n`);
    await this.hosts.test.until(`port ${port} in ${this.name}`, () => this.gate.lines.includes(`listening ${port}`));
  }
}

export class Hosts {
  static async make(test, names) {
    const self = Object.assign(new Hosts(), { test, all: [], servers: [], shared: new Map() });
    self.dir = mkdtempSync(join(tmpdir(), 'hosts-'));
    test.after(() => self.end());
    self.servers.push(await serve(self.dir, kRunner));
    for (const name of names) self.all.push(self[name] = new Host(self, name));
    await Promise.all(self.all.map((host) => host.open()));
    return self;
  }

  /** A link between two hosts: `a` gets 10.77.NET.1 and fd77:NET::1, `b` the addresses that end in 2. */
  link(a, b, net) {
    const name = `net${net}`;
    a.ip(`link add ${name} type veth peer name ${name} netns ${b.pid}`);
    for (const [host, last] of [[a, 1], [b, 2]]) {
      host.addresses[net] = { v4: `10.77.${net}.${last}`, v6: `fd77:${net}::${last}` };
      host.ip(`address add ${host.addresses[net].v4}/24 dev ${name}`);
      host.ip(`address add ${host.addresses[net].v6}/64 dev ${name} nodad`);
      host.ip(`link set ${name} up`);
    }
  }

  /** `host` sends to `router` what it knows no other way for. */
  route(host, router, net) {
    host.ip(`route replace default via ${router.addresses[net].v4}`);
    host.ip(`-6 route replace default via ${router.addresses[net].v6}`);
  }

  /** From now on 127.0.0.1:`port` is `owner`'s everywhere; without an owner the runner's. */
  async share(port, owner = { name: kRunner }) {
    if (this.shared.has(port)) return;
    this.shared.set(port, owner);
    if (owner.name !== kRunner) this.servers.push(await listen(this.dir, port, owner.name));
    await Promise.all(this.all.filter((host) => host !== owner).map((host) => host.listen(port, owner)));
  }

  end() {
    for (const server of this.servers) server.close();
    for (const host of this.all) host.holder.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}
