// TURN: what it does in one line, and who has an allocation. What TCP and TLS connections there are.
import { byId, format, h, setText } from './dom.js';
import { perSecond } from './relay.js';
import { Table } from './table.js';

const number = (key, title, of, text, tip) => ({ key, title, tip, class: 'number', sort: of,
  text: (row) => text(of(row)) });
const words = (key, title, look = '') => ({ key, title, class: look, sort: (row) => row[key],
  text: (row) => row[key] });

const kColumns = [
  words('client', 'Client', 'mono'), words('transport', 'By'), words('user', 'User', 'strong'),
  { key: 'relayed', title: 'Relayed address', class: 'mono', text: ({ relayed }) => relayed.join(' ') },
  number('permissions', 'Peers', ({ permissions }) => permissions, format.count, 'That it may speak with'),
  number('channels', 'Channels', ({ channels }) => channels, format.count),
  number('up', 'Up', ({ per }) => per.upBits, format.bits, 'From the client to its peers'),
  number('down', 'Down', ({ per }) => per.downBits, format.bits),
  number('upBytes', 'Sent', ({ up }) => up.bytes, format.bytes),
  number('downBytes', 'Received', ({ down }) => down.bytes, format.bytes),
  number('age', 'Age', ({ age_s: s }) => s * 1000, format.age),
  number('lifetime', 'Left', ({ lifetime_s: s }) => s * 1000, format.age,
    'Of its lifetime, unless its client refreshes it'),
];

const endColumn = (end) => ({ key: 'end', title: 'End', hidden: true, class: 'end',
  make: (cell, { id, user }) => cell.append(h('button', { type: 'button', class: 'quiet danger', title: 'End',
    'aria-label': `End the allocation of ${user}`, on: { click: () => end(id) } }, '✕')) });

const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);

export class TurnPanel {
  constructor(end) {
    this.table = new Table(byId('allocations'), [...kColumns, endColumn(end)]);
    this.rows = [];
  }

  /** Takes one round of figures. */
  add(figures, before) {
    const seconds = before ? figures.time - before.time : 0;
    this.turn = figures.relay.turn_figures;
    this.all = this.turn && perSecond(this.turn, before?.relay.turn_figures, seconds);
    const old = new Map(before?.allocations?.allocations.map((allocation) => [allocation.id, allocation]));
    this.rows = (figures.allocations?.allocations ?? []).map((allocation) => ({ ...allocation,
      per: perSecond(allocation, old.get(allocation.id), seconds) }));
    this.cut = Boolean(figures.allocations?.next);
  }

  /** Hidden where it is not served. */
  show() {
    const { turn, all } = this;
    byId('turn').hidden = !turn;
    if (!turn) return;
    setText(byId('turn-totals'), [
      `${format.count(turn.allocations)} of ${format.count(turn.max_allocations)} allocations`,
      `${format.count(turn.created)} made, ${format.count(turn.expired)} expired`,
      `${format.count(sum(turn.refused))} refused (${format.count(turn.refused[401])} asked to log in, `
        + `${format.count(turn.refused[486])} over quota)`,
      `${format.count(all.up)} pkt/s up, ${format.count(all.down)} pkt/s down`,
      `${format.bits(all.upBits)} up, ${format.bits(all.downBits)} down`].join(' · '));
    byId('allocations').hidden = this.rows.length === 0;
    this.table.show(this.rows);
    byId('more-allocations').hidden = !this.cut;
    setText(byId('more-allocations'),
      `The first ${this.rows.length}; GET /v1/turn/allocations lists all, a page at a time.`);
  }
}

/** TCP and TLS connections in one line. Hidden where none are served, or there never was one. */
export function showStreams(streams) {
  const refused = streams ? sum(streams.refused) : 0;
  byId('streams').hidden = !streams || streams.accepted + refused === 0;
  if (!streams) return;
  setText(byId('stream-totals'), [
    `${format.count(streams.open)} of ${format.count(streams.max)} connections (${format.count(streams.open_tls)} TLS)`,
    `${format.count(streams.accepted)} accepted, ${format.count(refused)} refused, `
      + `${format.count(streams.ended.tls)} failed in TLS`,
    `${format.count(streams.ice)} for ICE, ${format.count(streams.turn)} for TURN`].join(' · '));
}
