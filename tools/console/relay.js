// The relay tier: the servers behind it and what goes through.
import { byId, format, setText } from './dom.js';
import { History } from './history.js';
import { Plot } from './plot.js';
import { markColumn } from './sessions.js';
import { Table } from './table.js';

const count = (key, title, tip) => ({ key, title, tip, class: 'number',
  sort: (row) => row[key], text: (row) => format.count(row[key]) });
const rate = (key, title, text) => ({ key, title, class: 'number',
  sort: ({ per }) => per[key], text: ({ per }) => text(per[key]) });

const kColumns = [
  { key: 'id', title: 'Server', class: 'strong', sort: ({ id }) => id, text: ({ id }) => id },
  { key: 'address', title: 'Address', class: 'mono narrow-out', sort: ({ address }) => address,
    text: ({ address }) => address },
  { key: 'leg', title: 'Leg', tip: 'trunk: many packets in one datagram; ports: a port of the relay for each client',
    text: ({ trunk }) => (trunk ? 'trunk' : 'ports') },
  { key: 'state', title: 'State', tip: 'Of a trunk: whether every shard hears the server, and how far away it is',
    sort: ({ state }) => state ?? '', text: ({ state, rtt_us: us }) =>
      (state === 'up' && us > 0 ? `up, ${(us / 1000).toFixed(1)} ms` : state ?? '') },
  count('flows', 'Flows'), count('unconfirmed', 'Unconfirmed', 'The server has not answered them yet'),
  count('routes', 'Routes', 'Installed for ufrags that others minted'),
  rate('up', 'Up pkt/s', format.count), rate('down', 'Down pkt/s', format.count),
  rate('upBits', 'Up', format.bits), rate('downBits', 'Down', format.bits),
];

const kilobits = (value) => (value === null ? null : value / 1000);
const kSeries = [
  { key: 'flows', title: 'Flows', unit: '', least: 10, of: ({ flows }) => flows },
  { key: 'up', title: 'Up', unit: 'pkt/s', least: 100, of: ({ per }) => per.up },
  { key: 'down', title: 'Down', unit: 'pkt/s', least: 100, of: ({ per }) => per.down },
  { key: 'upBits', title: 'Up', unit: 'kbit/s', least: 100, of: ({ per }) => kilobits(per.upBits) },
  { key: 'downBits', title: 'Down', unit: 'kbit/s', least: 100, of: ({ per }) => kilobits(per.downBits) },
];

/** What the counters of one server, or of all, grew by in a second. */
export function perSecond(now, old, seconds) {
  const of = (get) => (old && seconds > 0 ? Math.max(0, get(now) - get(old)) / seconds : null);
  return { up: of((s) => s.up.packets), down: of((s) => s.down.packets),
    upBits: of((s) => 8 * s.up.bytes), downBits: of((s) => 8 * s.down.bytes) };
}

const kNothing = { packets: 0, bytes: 0 };
const named = (server) => server.id ?? server.address;

export class RelayPanel {
  constructor(colours) {
    this.history = new History(kSeries);
    this.plots = kSeries.map((series) => new Plot(series, colours));
    byId('relay-plots').append(...this.plots.map(({ element }) => element));
    this.table = new Table(byId('servers'), [markColumn(this.history, colours), ...kColumns],
      { onSelect: (id) => { this.selected = this.selected === id ? null : id; this.show(); } });
    this.selected = null;
    this.rows = [];
  }

  /** What of the page is of use: "calls", "relay" or both. Both roles are the default; who forwards nothing is not
   *  bothered with it. */
  tier({ relay, servers }) {
    if (relay.role === 'relay') return 'relay';
    return relay.relay && (servers.length > 0 || relay.flows_created > 0) ? 'calls relay' : 'calls';
  }

  /** Takes one round of figures. */
  add(figures, before) {
    const seconds = before ? figures.time - before.time : 0;
    const old = new Map(before?.servers.map((server) => [named(server), server]));
    this.rows = figures.servers.map((server) => ({ ...server, id: named(server),
      per: perSecond(server, old.get(named(server)), seconds) }));
    this.relay = figures.relay;
    this.all = perSecond(figures.relay, before?.relay, seconds);
    const { direct } = figures.relay;
    this.direct = direct && perSecond({ up: kNothing, down: direct },
      { up: kNothing, down: before?.relay.direct ?? direct }, seconds);
    this.time = figures.time;
    this.history.add(figures.time, this.rows);
  }

  show() {
    if (!this.relay) return;
    byId('direct').hidden = !this.direct;
    if (this.direct)
      setText(byId('direct-totals'), [
        `${format.count(this.relay.direct.packets)} packets of media to clients directly`,
        `${format.count(this.direct.down)} pkt/s`, format.bits(this.direct.downBits)].join(' · '));
    if (!this.rows.some(({ id }) => id === this.selected)) this.selected = null;
    this.table.show(this.rows, this.selected);
    byId('no-servers').hidden = this.rows.length > 0;
    for (const plot of this.plots) plot.show(this.history.list, this.time, this.selected);
    const { relay, all } = this;
    const some = (n, what) => `${format.count(n)} ${n === 1 ? what : `${what}s`}`;
    setText(byId('relay-totals'), [`${format.count(relay.flows)} of ${format.count(relay.max_flows)} flows`,
      `${format.count(relay.flows_created)} made, ${format.count(relay.flows_expired)} expired`,
      some(relay.ports_open, 'port'), some(relay.routes, 'route'),
      `${format.count(all.up)} pkt/s up, ${format.count(all.down)} pkt/s down`].join(' · '));
  }
}
