// Puts the page together: figures once a second into plots and tables, calls at the side.
import { Api } from './api.js';
import { notify, setUpCalls, showRooms } from './calls.js';
import { Detail } from './detail.js';
import { byId, format, h, setText } from './dom.js';
import { History, kSeries } from './history.js';
import { Plot } from './plot.js';
import { RelayPanel } from './relay.js';
import { sessionColumns, shardColumns } from './sessions.js';
import { Table } from './table.js';
import { colours, setUpTheme } from './theme.js';
import { TurnPanel, showStreams } from './turn.js';

const api = new Api();
const history = new History();
let figures = null;
let before = null;
let selected = null;

const hangUp = (id) => api.hangUp(id).catch(({ message }) => notify(message));
const select = (id) => {
  selected = selected === id ? null : id;
  show();
};

setUpTheme(() => show());
setUpCalls();
const plots = kSeries.map((series) => new Plot(series, colours));
byId('plots').append(...plots.map(({ element }) => element));
const sessions = new Table(byId('sessions'), sessionColumns(history, colours, hangUp), { onSelect: select });
const shards = new Table(byId('shards'), shardColumns());
const relay = new RelayPanel(colours);
const turn = new TurnPanel((id) => api.endAllocation(id).catch(({ message }) => notify(message)));
const detail = new Detail(byId('detail'), { onClose: () => select(selected), onHangUp: hangUp });
byId('filter').addEventListener('input', () => show());

const kTotals = [['Sessions', 'sessions', 'of-calls'], ['Flows', 'flows', 'of-relay'], ['Packets in', 'in'],
  ['Packets out', 'out'], ['Bits in', 'bitsIn'], ['Bits out', 'bitsOut'],
  ['Drops', 'drops'], ['Handshakes', 'handshakes', 'of-calls']];
const totals = Object.fromEntries(kTotals.map(([title, key, tier]) => {
  const value = h('b', {}, '–');
  byId('totals').append(h('div', { class: tier }, h('span', { class: 'muted' }, title), value));
  return [key, value];
}));

/** What the counters of a shard grew by, per second. */
function perSecond(shard) {
  const old = before?.shards.find((other) => other.shard === shard.shard);
  const seconds = old ? figures.time - before.time : 0;
  const rate = (of) => (seconds > 0 ? Math.max(0, of(shard) - of(old)) / seconds : null);
  return { rx: rate((s) => s.rx.packets), tx: rate((s) => s.tx.packets), rxBits: rate((s) => 8 * s.rx.bytes),
    txBits: rate((s) => 8 * s.tx.bytes), rx_calls: rate((s) => s.rx_calls), sleeps: rate((s) => s.sleeps),
    drops: rate((s) => Object.values(s.drops).reduce((a, b) => a + b, 0)), cpu: rate((s) => s.cpu_ms / 1000) };
}

function showTotals(rows) {
  const sum = (key) => rows.reduce((total, { per }) => (per[key] === null ? total : (total ?? 0) + per[key]), null);
  const { sessions: counted, handshakes } = figures.engine;
  setText(totals.sessions, format.count(figures.total));
  totals.sessions.title = `${counted.created} since the start`;
  setText(totals.flows, format.count(figures.relay.flows));
  totals.flows.title = `${figures.relay.flows_created} since the start`;
  setText(totals.in, `${format.count(sum('rx'))} /s`);
  setText(totals.out, `${format.count(sum('tx'))} /s`);
  setText(totals.bitsIn, format.bits(sum('rxBits')));
  setText(totals.bitsOut, format.bits(sum('txBits')));
  setText(totals.drops, `${format.count(sum('drops'))} /s`);
  setText(totals.handshakes, `${format.count(handshakes.done)} done, ${format.count(handshakes.failed)} failed`);
}

function show() {
  if (!figures) return;
  const { engine, time } = figures;
  document.body.dataset.tier = relay.tier(figures);
  setText(byId('engine'), `${engine.version} · ${engine.io} · ${engine.srtp} · `
    + `${engine.shards} ${engine.shards === 1 ? 'shard' : 'shards'} · udp ${engine.udp.join(' ')}`);
  const rows = figures.shards.map((shard) => ({ ...shard, id: shard.shard, per: perSecond(shard) }));
  shards.show(rows);
  showTotals(rows);
  relay.show();
  turn.show();
  showStreams(figures.relay.streams);
  const wanted = byId('filter').value.trim().toLowerCase();
  const listed = figures.sessions.filter((s) =>
    [s.id, s.role, s.name, s.state, s.remote].join(' ').toLowerCase().includes(wanted));
  sessions.show(listed, selected);
  const shown = Math.min(listed.length, sessions.limit);
  setText(byId('session-count'), shown < figures.total ? `${shown} of ${figures.total}` : `${figures.total}`);
  byId('no-sessions').hidden = figures.total > 0;
  const chosen = figures.sessions.find(({ id }) => id === selected);
  if (!chosen) selected = null;
  if (chosen) detail.show(chosen, engine.drop_reasons ?? {});
  else detail.hide();
  for (const plot of plots) plot.show(history.list, time, selected);
}

function link(state, text) {
  byId('link').className = `pill ${state}`;
  setText(byId('link'), text);
}

api.addEventListener('figures', ({ detail: fresh }) => {
  before = figures;
  figures = fresh;
  history.add(fresh.time, fresh.sessions);
  relay.add(figures, before);
  turn.add(figures, before);
  link(fresh.engine.draining ? 'warn' : 'good', fresh.engine.draining ? 'draining' : 'live');
  showRooms(fresh.rooms);
  show();
});

const login = byId('login');
const askForToken = (why) => {
  setText(byId('login-error'), why);
  if (!login.open) login.showModal();
};
api.addEventListener('trouble', ({ detail: error }) => {
  if (error.status === 401 || error.status === 403) {
    link('bad', 'needs a token');
    askForToken(api.token ? error.message : '');
  } else {
    link('bad', error.status ? error.message : 'no answer from the server');
  }
});
login.querySelector('form').addEventListener('submit', () => {
  api.token = byId('login-token').value.trim();
  api.start();
});
byId('login-cancel').addEventListener('click', () => login.close());
byId('link').addEventListener('click', () => { if (byId('link').textContent === 'needs a token') askForToken(''); });

api.start();
