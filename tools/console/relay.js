// The relay tier: the servers behind it and what goes through.
import { byId, format, setText } from './dom.js';
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
  count('flows', 'Flows'), count('unconfirmed', 'Unconfirmed', 'The server has not answered them yet'),
  count('routes', 'Routes', 'Installed for ufrags that others minted'),
  rate('up', 'Up pkt/s', format.count), rate('down', 'Down pkt/s', format.count),
  rate('upBits', 'Up', format.bits), rate('downBits', 'Down', format.bits),
];

/** What the counters of one server, or of all, grew by in a second. */
function perSecond(now, old, seconds) {
  const of = (get) => (old && seconds > 0 ? Math.max(0, get(now) - get(old)) / seconds : null);
  return { up: of((s) => s.up.packets), down: of((s) => s.down.packets),
    upBits: of((s) => 8 * s.up.bytes), downBits: of((s) => 8 * s.down.bytes) };
}

const named = (server) => server.id ?? server.address;

export class RelayPanel {
  constructor() {
    this.table = new Table(byId('servers'), kColumns, { sortBy: null });
  }

  show(figures, before) {
    const { relay, servers, time } = figures;
    // Both roles are the default; who forwards nothing is not bothered with it.
    const used = relay.relay && (servers.length > 0 || relay.flows_created > 0);
    byId('relay').hidden = !used;
    if (!used) return;
    const seconds = before ? time - before.time : 0;
    const old = new Map(before?.servers.map((server) => [named(server), server]));
    this.table.show(servers.map((server) => ({ ...server, id: named(server),
      per: perSecond(server, old.get(named(server)), seconds) })));
    const all = perSecond(relay, before?.relay, seconds);
    setText(byId('relay-totals'), [`${format.count(relay.flows)} of ${format.count(relay.max_flows)} flows`,
      `${format.count(relay.flows_created)} made, ${format.count(relay.flows_expired)} expired`,
      `${format.count(relay.ports_open)} ports`, `${format.count(relay.routes)} routes`,
      `${format.count(all.up)} pkt/s up, ${format.count(all.down)} pkt/s down`].join(' · '));
  }
}
