// One session in full: how it was set up, where it is, what was dropped and why, each of its streams.
import { format, h, setText } from './dom.js';
import { Table } from './table.js';

const kSteps = [['first_check', 'ICE', 'first authenticated check'], ['dtls_start', 'DTLS hello', 'first ClientHello'],
  ['dtls_done', 'DTLS', 'keys in place'], ['first_rtp_in', 'Media in', 'first packet from the client'],
  ['first_rtp_out', 'Media out', 'first packet to the client']];

const kTrackColumns = [
  { key: 'direction', title: 'Direction', text: ({ direction }) => (direction === 'in' ? 'from client' : 'to client') },
  { key: 'codec', title: 'Codec', class: 'strong', text: ({ codec }) => codec },
  { key: 'ssrc', title: 'SSRC', class: 'mono number', text: ({ ssrc }) => ssrc.toString(16).padStart(8, '0') },
  { key: 'packets', title: 'Packets', class: 'number', text: ({ packets }) => format.count(packets) },
  { key: 'bytes', title: 'Bytes', class: 'number', text: ({ bytes }) => format.bytes(bytes) },
  { key: 'bitrate', title: 'kbit/s', class: 'number', text: (t) => format.kbit(t.bitrate_bps) },
  { key: 'lost', title: 'Lost', class: 'number', text: ({ lost }) => format.count(lost) },
  { key: 'loss', title: 'Loss %', class: 'number', text: (t) => format.percent(t.fraction_lost) },
  { key: 'jitter', title: 'Jitter ms', class: 'number', text: (t) => format.ms(t.jitter_ms) },
  { key: 'level', title: 'Level dBov', class: 'number', text: (t) => format.level(t.level_dbov) },
  { key: 'nacks', title: 'NACKs', class: 'number', text: ({ nacks }) => format.count(nacks) },
  { key: 'again', title: 'Sent again', class: 'number', text: ({ retransmitted }) => format.count(retransmitted) },
  { key: 'plis', title: 'PLIs', class: 'number', text: ({ plis }) => format.count(plis) },
];

export class Detail {
  constructor(element, { onClose, onHangUp }) {
    Object.assign(this, { element, onHangUp });
    this.title = h('h2', {});
    this.facts = h('dl', { class: 'facts' });
    this.steps = h('ol', { class: 'waterfall', 'aria-label': 'Setup, in milliseconds since the offer' });
    this.drops = h('ul', { class: 'drops' });
    const table = h('table');
    this.tracks = new Table(table, kTrackColumns);
    element.append(
      h('div', { class: 'head' }, this.title,
        h('button', { type: 'button', class: 'danger', on: { click: () => onHangUp(this.id) } }, 'Hang up'),
        h('button', { type: 'button', class: 'quiet', 'aria-label': 'Close the details', on: { click: onClose } },
          '✕')),
      h('div', { class: 'columns' },
        h('div', {}, h('h3', {}, 'Where'), this.facts),
        h('div', {}, h('h3', {}, 'Setup, ms since the offer'), this.steps),
        h('div', {}, h('h3', {}, 'Drops'), this.drops)),
      h('div', { class: 'scroll' }, table));
  }

  hide() { this.element.hidden = true; }

  /** `reasons`: what each drop reason means. */
  show(session, reasons) {
    this.id = session.id;
    this.element.hidden = false;
    setText(this.title, `Session ${session.id}: ${session.role} ${session.name}`);
    this.#facts(session);
    this.#waterfall(session.setup_ms);
    this.#drops(session.drops, reasons);
    this.tracks.show(session.tracks.map((track) => ({ ...track, id: `${track.direction}${track.ssrc}` })));
  }

  #facts(session) {
    const facts = [['State', session.close_reason ? `${session.state}: ${session.close_reason}` : session.state],
      ['Client', session.remote ?? 'not seen yet'], ['Server', session.local ?? '–'], ['Shard', String(session.shard)],
      ['SRTP', session.srtp_profile ?? 'no keys yet'], ['Moved', `${session.moves} times`],
      ['Received', `${format.count(session.rx.packets)} packets, ${format.bytes(session.rx.bytes)}`],
      ['Sent', `${format.count(session.tx.packets)} packets, ${format.bytes(session.tx.bytes)}`],
      ...(session.role === 'publish' ? [['Players', String(session.subscribers)]] : [])];
    facts.forEach(([name, value], i) => {
      if (!this.facts.children[2 * i]) this.facts.append(h('dt'), h('dd'));
      setText(this.facts.children[2 * i], name);
      setText(this.facts.children[2 * i + 1], value);
    });
    while (this.facts.children.length > 2 * facts.length) this.facts.lastChild.remove();
  }

  #waterfall(setup) {
    const known = kSteps.filter(([key]) => setup[key] !== null);
    const end = Math.max(1, ...known.map(([key]) => setup[key]));
    let from = 0;
    this.steps.replaceChildren(...kSteps.map(([key, name, tip]) => {
      const at = setup[key];
      const bar = h('i');
      if (at !== null) {
        bar.style.left = `${(100 * Math.min(from, at)) / end}%`;
        bar.style.width = `${Math.max(0.8, (100 * Math.abs(at - from)) / end)}%`;
        from = Math.max(from, at);
      }
      return h('li', { title: tip, class: at === null ? 'pending' : '' },
        h('span', {}, name), h('span', { class: 'track' }, bar),
        h('span', { class: 'number' }, at === null ? 'not yet' : at.toFixed(1)));
    }));
  }

  #drops(drops, reasons) {
    const rows = Object.entries(drops).sort((a, b) => b[1] - a[1]);
    this.drops.replaceChildren(...(rows.length ? rows.map(([reason, count]) => h('li', {},
      h('b', { class: 'number' }, format.count(count)), h('span', { class: 'mono' }, reason),
      h('span', { class: 'muted' }, reasons[reason] ?? ''))) : [h('li', { class: 'muted' }, 'Nothing was dropped.')]));
  }
}
