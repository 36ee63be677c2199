// The columns of the sessions' and of the shards' table.
import { format, h } from './dom.js';
import { kSeries } from './history.js';
import { sparkline } from './plot.js';

const of = Object.fromEntries(kSeries.map((series) => [series.key, series.of]));
const codecs = ({ tracks }) => [...new Set(tracks.map(({ codec }) => codec))].join(' ');
const bitrate = (session, direction) => {
  const known = session.tracks.filter((track) => track.direction === direction && track.bitrate_bps !== null);
  return known.length ? known.reduce((sum, track) => sum + track.bitrate_bps, 0) : null;
};
const dropped = ({ drops }) => Object.values(drops).reduce((sum, count) => sum + count, 0);

const kStateWords = { new: 'waiting', checking: 'connecting', connected: 'connected', closed: 'over' };
const grade = (value, warn, bad) => (value === null ? '' : value >= bad ? 'bad' : value >= warn ? 'warn' : '');

function graded(key, title, text, value, warn, bad, tip) {
  return { key, title, tip, class: 'number', sort: value,
    update(cell, session) {
      cell.className = `number ${grade(value(session), warn, bad)}`;
      const words = text(session);
      if (cell.textContent !== words) cell.textContent = words;
    } };
}

/** The colour that a row's line has in the plots. */
export const markColumn = (history, colours) => ({ key: 'mark', title: 'Colour', hidden: true, class: 'mark',
  make: (cell) => cell.append(h('i', { class: 'swatch' })),
  update(cell, { id }) {
    cell.firstChild.style.background = colours.lines[history.entries.get(id)?.colour ?? 0];
  } });

export function sessionColumns(history, colours, hangUp) {
  return [
    markColumn(history, colours),
    { key: 'id', title: 'Id', class: 'number', sort: ({ id }) => Number(id), text: ({ id }) => id },
    { key: 'role', title: 'Role', sort: ({ role }) => role, text: ({ role }) => role },
    { key: 'name', title: 'Room', class: 'strong', sort: ({ name }) => name, text: ({ name }) => name },
    { key: 'state', title: 'State', sort: ({ state }) => state,
      make: (cell) => cell.append(h('span', {})),
      update(cell, { state }) {
        cell.firstChild.className = `state ${state}`;
        cell.firstChild.textContent = kStateWords[state] ?? state;
      } },
    { key: 'remote', title: 'Client', class: 'mono narrow-out',
      sort: ({ remote }) => remote, text: ({ remote }) => remote ?? '–' },
    { key: 'codec', title: 'Codec', class: 'narrow-out', text: (session) => codecs(session) || '–' },
    { key: 'in', title: 'In kbit/s', class: 'number',
      sort: (s) => bitrate(s, 'in'), text: (s) => format.kbit(bitrate(s, 'in')) },
    { key: 'out', title: 'Out kbit/s', class: 'number',
      sort: (s) => bitrate(s, 'out'), text: (s) => format.kbit(bitrate(s, 'out')) },
    { key: 'spark', title: 'Bitrate', tip: 'The last two minutes', class: 'spark narrow-out',
      make: (cell) => cell.append(h('canvas', { role: 'img', 'aria-label': 'bitrate' })),
      update(cell, { id }) {
        const entry = history.entries.get(id);
        if (entry) {
          sparkline(cell.firstChild, entry.samples, 'bitrate', colours.lines[entry.colour], entry.samples.at(-1).time);
        }
      } },
    graded('loss', 'Loss %', (s) => format.percent(of.loss(s) === null ? null : of.loss(s) / 100), of.loss, 1, 5,
      'Worst track, last report'),
    graded('jitter', 'Jitter ms', (s) => format.ms(of.jitter(s)), of.jitter, 30, 80, 'Worst track'),
    graded('rtt', 'RTT ms', (s) => format.ms(s.rtt_ms), of.rtt, 200, 400, 'Round trip to the client'),
    { key: 'level', title: 'Level', class: 'level', tip: 'Loudest track, dBov', sort: of.level,
      make: (cell) => cell.append(h('span', { class: 'gauge' }, h('i')), h('span', { class: 'number' })),
      update(cell, session) {
        const level = of.level(session);
        cell.firstChild.firstChild.style.transform = `scaleX(${level === null ? 0 : Math.max(0, 1 + level / 90)})`;
        cell.lastChild.textContent = format.level(level);
      } },
    { key: 'drops', title: 'Drops', class: 'number', sort: dropped, text: (s) => format.count(dropped(s)) },
    { key: 'age', title: 'Age', class: 'number',
      sort: ({ age_ms: age }) => age, text: ({ age_ms: age }) => format.age(age) },
    { key: 'end', title: 'Hang up', hidden: true, class: 'end',
      make(cell, { id, name }) {
        cell.append(h('button', { type: 'button', class: 'quiet danger', 'aria-label': `Hang up session ${id}, ${name}`,
          title: 'Hang up', on: { click: (event) => { event.stopPropagation(); hangUp(id); } } }, '✕'));
      } },
  ];
}

/** Shards arrive with `per`, what their counters grew by in a second. */
export function shardColumns() {
  const plain = (key, title, tip) => ({ key, title, tip, class: 'number', text: (shard) => format.count(shard[key]) });
  const rate = (key, title, tip) => ({
    key: `${key}/s`, title, tip, class: 'number', text: ({ per }) => format.count(per[key])
  });
  return [
    { key: 'shard', title: 'Shard', class: 'number', text: ({ shard }) => String(shard) },
    { key: 'core', title: 'Core', class: 'number', text: ({ core }) => String(core) },
    { key: 'io', title: 'I/O', text: ({ io }) => io },
    { key: 'cpu', title: 'CPU %', class: 'level', tip: 'Of one core',
      make: (cell) => cell.append(h('span', { class: 'gauge' }, h('i')), h('span', { class: 'number' })),
      update(cell, { per }) {
        const share = per.cpu === null ? 0 : Math.min(1, per.cpu);
        cell.firstChild.firstChild.style.transform = `scaleX(${share})`;
        cell.lastChild.textContent = format.percent(per.cpu);
      } },
    plain('sessions', 'Sessions'), plain('flows', 'Flows'),
    rate('rx', 'In pkt/s'), rate('tx', 'Out pkt/s'),
    { key: 'batch', title: 'Pkt/call', class: 'number', tip: 'Packets per receive call, last second',
      text: ({ per }) => (per.rx_calls ? (per.rx / per.rx_calls).toFixed(1) : '–') },
    rate('sleeps', 'Sleeps/s'),
    plain('handed_over', 'Handed over', 'Packets that another shard owned'), plain('steered', 'Steered'),
    { key: 'pool', title: 'Pool free', class: 'number', tip: 'Packet slots',
      text: (s) => (s.pool_capacity ? `${format.percent(s.pool_free / s.pool_capacity)} %` : '–') },
    plain('rx_no_buffers', 'No buffers', 'Receives that found no free buffer'),
    plain('kernel_drops', 'Kernel drops', 'Socket buffer overflows'),
    { key: 'drops', title: 'Drops', class: 'number', text: (s) => format.count(dropped(s)) },
  ];
}
