// Chromium through a relay to a Sluice media tier by trunk, all on hosts of their own.
import { candidatesOf, Edge, endpoint } from '../lib/edge.mjs';
import { scenario } from '../lib/scenario.mjs';

const kTrunkPort = 3479;

class Trunk {
  static async make(t, options) {
    const edge = await Edge.make(t, options);
    const key = (name) => t.file(name, `the trunk key of this test alone, ${name}, of fair length\n`);
    return Object.assign(new Trunk(), { t, edge, key: key('trunk.key'), other: key('other.key'),
      at: endpoint(edge.media.addresses[2][edge.family], kTrunkPort) });
  }

  media(args = [], key = this.key) {
    return this.edge.startMedia(['--trunk', this.at, '--trunk-key', `@${key}`, ...args]);
  }

  relay(args = []) {
    return this.edge.startRelay(['--trunk-key', `@${this.key}`, ...args], { servers: [`7=${this.at},trunk`] });
  }

  /** The relay's server, once its trunk is in that state. */
  async server(relay, state) {
    let server;
    await this.t.until(`the trunk to be ${state}`, async () => {
      [server] = (await relay.json('/v1/servers')).servers;
      return server.state === state;
    });
    return server;
  }
}

for (const [family, io, shards] of [['v4', 'uring', 1], ['v4', 'mmsg', 2], ['v6', 'uring', 2]]) {
  scenario(`publish and play by trunk over IP${family}, --io ${io}, ${shards} shards each`, async (t) => {
    const trunk = await Trunk.make(t, { family });
    const args = ['--io', io, '--shards', `${shards}`];
    const media = await trunk.media(args);
    const relay = await trunk.relay(args);
    await trunk.server(relay, 'up');
    const [publisher, player] = [await trunk.edge.chromium(), await trunk.edge.chromium()];
    const sent = await t.publish(publisher, media.at('/whip/hall'));
    t.equal(candidatesOf(await publisher.call('answer', sent)), [`${trunk.edge.public} host`], 'candidates');
    const got = await t.play(player, media.at('/whep/hall'));
    const server = await trunk.server(relay, 'up');
    t.equal([server.id, server.flows, server.unconfirmed], ['7', 2, 0], 'flows');
    t.check(server.rtt_us > 0 && server.lost_up === 0 && server.lost_down === 0, JSON.stringify(server));
    t.check(server.up.packets > 50 && server.down.packets > 50, JSON.stringify(server));
    const client = endpoint(trunk.edge.client.addresses[1][family], '');
    const remotes = (await media.sessions()).map(({ remote }) => remote);
    t.check(remotes.every((remote) => remote.startsWith(client)), `the media server sees the clients: ${remotes}`);
  }, { seconds: 90 });
}

scenario('Chromium hears an agent by media that goes past the trunk, in the name of the relay', async (t) => {
  const trunk = await Trunk.make(t);
  trunk.edge.openShortcut();
  const media = await trunk.media(['--trunk-direct']);
  const relay = await trunk.relay(['--flow-idle', '5']);
  await trunk.server(relay, 'up');
  const { tab, id } = await trunk.edge.talking(media);
  const past = async () => (await media.json('/v1/relay')).direct.packets;
  const [before, direct] = [await trunk.server(relay, 'up'), await past()];
  await t.stillHears(tab, id);
  await tab.call('forget', id);
  await t.hears(tab, id);
  const [after, more] = [await trunk.server(relay, 'up'), await past() - direct];
  const [up, down] = ['up', 'down'].map((way) => after[way].packets - before[way].packets);
  t.say(`${up} packets up the trunk, ${down} down, ${more} past it`);
  t.check(up > 200 && more > 200, 'media goes both ways');
  t.check(down < up / 5, 'down the trunk go answers to checks, no media');
  t.equal([after.flows, after.unconfirmed], [1, 0], 'flows, none of which fell idle');
}, { seconds: 90 });

scenario('a call by trunk goes on when its relay is killed and started again', async (t) => {
  const trunk = await Trunk.make(t);
  const media = await trunk.media();
  let relay = await trunk.relay();
  await trunk.server(relay, 'up');
  const { tab, id } = await trunk.edge.talking(media);
  await tab.call('watch', id);
  await relay.end();
  relay = await trunk.relay();
  await t.stillHears(tab, id, undefined, 40);
  t.say(`relay restarted: ${await tab.call('gap', id)} ms without sound`);
  t.equal((await trunk.server(relay, 'up')).flows, 1, 'flows');
}, { seconds: 90 });

scenario('a trunk is down while its server is, and up once it is back', async (t) => {
  const trunk = await Trunk.make(t);
  const first = await trunk.media();
  const relay = await trunk.relay();
  await trunk.server(relay, 'up');
  const { tab } = await trunk.edge.talking(first);
  await tab.browser.close();
  await first.end();
  await trunk.server(relay, 'down');
  const second = await trunk.media();
  await trunk.server(relay, 'up');
  await trunk.edge.talking(second);
}, { seconds: 90 });

scenario('a server with another trunk key is never up, and refuses what it is sent', async (t) => {
  const trunk = await Trunk.make(t);
  const media = await trunk.media([], trunk.other);
  const relay = await trunk.relay();
  await t.until('hellos to be refused', async () =>
    (await media.json('/v1/shards')).shards.some(({ drops }) => drops.trunk_auth > 3));
  t.equal((await trunk.server(relay, 'down')).flows, 0, 'flows');
});
