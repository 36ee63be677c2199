// A relay tier between hosts: `client` --1-- `relay` --2-- `media`, and with `home` a router between client and relay
// that masquerades, client --3-- home --1-- relay. The relay forwards nothing by itself, and the media host
// knows no way past it.
import { chmodSync } from 'node:fs';
import { Hosts } from './hosts.mjs';

export const kHttp = { media: 8080, relay: 8090 };
const kMediaUdp = 4000;
const kTrunkUdp = 4001;
export const kRelayUdp = 3478;

const bracket = (address) => (address.includes(':') ? `[${address}]` : address);
export const endpoint = (address, port) => `${bracket(address)}:${port}`;

/** "ADDR:PORT TYPE" of each UDP candidate. */
export const candidatesOf = (sdp) => [...sdp.matchAll(/^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (\S+)/gim)]
  .map(([, address, port, type]) => `${endpoint(address, port)} ${type}`);

export class Edge {
  /** `family`: of everything that a client sends and a relay forwards, v4 or v6. `leg`: ports or trunk. */
  static async make(t, { home = false, family = 'v4', leg = 'ports' } = {}) {
    const hosts = await Hosts.make(t, ['client', 'relay', 'media', ...(home ? ['home'] : [])]);
    const self = Object.assign(new Edge(), { t, hosts, family, ...hosts });
    const { client, relay, media } = hosts;
    hosts.link(relay, home ? hosts.home : client, 1);
    hosts.link(relay, media, 2);
    if (home) self.#masquerade(hosts.home);
    else hosts.route(client, relay, 1);
    t.pageServer ??= await t.pages();
    await hosts.share(Number(new URL(t.pageServer.url).port));
    await hosts.share(kHttp.media, media);
    await hosts.share(kHttp.relay, relay);
    self.routeKey = t.file('route.key', '5:the route key of this test alone, of fair length\n');
    self.iceKey = t.file('ice.key', '5:the ICE key of this test alone, of fair length\n');
    self.public = endpoint(relay.addresses[1][family], kRelayUdp);
    self.inner = relay.addresses[2][family];
    self.server = endpoint(media.addresses[2][family], kMediaUdp);
    self.trunk = leg === 'trunk' ? endpoint(media.addresses[2][family], kTrunkUdp) : null;
    self.trunkKey = t.file('trunk.key', 'the trunk key of this test alone, of fair length\n');
    return self;
  }

  #masquerade(home) {
    const { hosts } = this;
    hosts.link(home, hosts.client, 3);
    hosts.route(hosts.client, home, 3);
    home.set('net/ipv4/ip_forward', 1);
    home.set('net/ipv6/conf/all/forwarding', 1);
    for (const words of ['add table inet nat', 'add chain inet nat post { type nat hook postrouting priority 100 ; }',
      'add rule inet nat post oifname "net1" masquerade']) home.run('nft', words);
  }

  /** Who is linked to the relay, the router or the client itself, gets another address instead of its own. What a
   *  router had translated to the old one is gone. */
  moveOutside(last) {
    const outside = this.home ?? this.client;
    const old = outside.addresses[1];
    outside.addresses[1] = { v4: `10.77.1.${last}`, v6: `fd77:1::${last}` };
    outside.ip(`address del ${old.v4}/24 dev net1`);
    outside.ip(`address del ${old.v6}/64 dev net1`);
    outside.ip(`address add ${outside.addresses[1].v4}/24 dev net1`);
    outside.ip(`address add ${outside.addresses[1].v6}/64 dev net1 nodad`);
    if (!this.home) this.hosts.route(outside, this.relay, 1);
  }

  /** What the media host sends to the client's address goes there without passing the relay, also in the relay's
   *  name; the client knows no such way back. IPv4 only. */
  openShortcut() {
    const { media, client } = this;
    this.hosts.link(media, client, 4);
    client.ip('address flush dev net4');
    for (const name of ['all', 'net4']) client.set(`net/ipv4/conf/${name}/rp_filter`, 0);
    media.ip(`route add ${client.addresses[1].v4}/32 dev net4`);
  }

  /** The media host gets another address beside its own, and what starts there from now on is at it. */
  moveMedia(last) {
    const address = `10.77.2.${last}`;
    this.media.ip(`address add ${address}/24 dev net2`);
    this.server = endpoint(address, kMediaUdp);
    this.trunk = this.trunk && endpoint(address, kTrunkUdp);
  }

  /** A relay that knows node 7, and has ports and trunks as `args` say. */
  startRelay(args = [], { servers = [this.trunk ? `7=${this.trunk},trunk` : `7=${this.server}`], role = 'relay',
    inner = this.inner, ...options } = {}) {
    return this.t.daemon(['--role', role, '--http', `127.0.0.1:${kHttp.relay}`, '--route-key', `@${this.routeKey}`,
      '--relay-address', inner, ...(this.trunk ? ['--trunk-key', `@${this.trunkKey}`] : []),
      ...servers.flatMap((server) => ['--server', server]), ...args], { host: this.relay, ...options });
  }

  /** Node 7; its answers name `reachedAt`. */
  startMedia(args = [], { listen = this.server, reachedAt = this.public, ...options } = {}) {
    return this.t.daemon(['--role', 'media', '--node', '7', '--http', `127.0.0.1:${kHttp.media}`, '--listen', listen,
      '--public-address', reachedAt, '--route-key', `@${this.routeKey}`, '--ice-key', `@${this.iceKey}`,
      ...(this.trunk ? ['--trunk', this.trunk, '--trunk-key', `@${this.trunkKey}`] : []), ...args],
    { host: this.media, ...options });
  }

  /** For daemons that are not root's. */
  letEverybodyRead() { chmodSync(this.routeKey, 0o644); }

  chromium(options) { return this.t.chromium({ host: this.client, ...options }); }

  /** A client's call to the media server's echo agent, which is heard. */
  async talking(media) { return this.t.echo(await this.chromium(), media.at('/agent/echo')); }
}
