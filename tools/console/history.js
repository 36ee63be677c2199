// The last two minutes of every session, or of whatever else has an id and series, a sample a second.
export const kSeconds = 120;
export const kGoneAfter = 20;

/** What is plotted; `of` takes a session of /v1/sessions and gives a number or null. */
const greatest = (values) => values.reduce((best, value) => (
  value !== null && (best === null || value > best) ? value : best), null);
const tracks = (session, field) => session.tracks.map((track) => track[field] ?? null);

export const kSeries = [
  { key: 'loss', title: 'Loss', unit: '%', least: 2,
    of: (s) => (s.tracks.length ? 100 * (greatest(tracks(s, 'fraction_lost')) ?? 0) : null) },
  { key: 'jitter', title: 'Jitter', unit: 'ms', least: 10, of: (s) => greatest(tracks(s, 'jitter_ms')) },
  { key: 'rtt', title: 'Round trip', unit: 'ms', least: 20, of: (s) => s.rtt_ms },
  { key: 'bitrate', title: 'Bitrate', unit: 'kbit/s', least: 64, of: (s) => (s.tracks.length
    ? tracks(s, 'bitrate_bps').reduce((sum, value) => sum + (value ?? 0), 0) / 1000 : null) },
  { key: 'level', title: 'Level', unit: 'dBov', range: [-90, 0], of: (s) => greatest(tracks(s, 'level_dbov')) },
];

export class History {
  constructor(series = kSeries) {
    this.series = series;
    this.entries = new Map();
    this.colours = 0;
  }

  /** Takes one round of figures. */
  add(time, rows) {
    for (const row of rows) {
      let entry = this.entries.get(row.id);
      if (!entry) {
        entry = { id: row.id, colour: this.colours++ % 8, samples: [] };
        this.entries.set(row.id, entry);
      }
      entry.samples.push({ time, ...Object.fromEntries(this.series.map(({ key, of }) => [key, of(row)])) });
      while (entry.samples[0].time < time - kSeconds) entry.samples.shift();
    }
    const live = new Set(rows.map(({ id }) => id));
    for (const [id, { samples }] of this.entries) {
      if (!live.has(id) && samples.at(-1).time < time - kGoneAfter) this.entries.delete(id);
    }
  }

  get list() { return [...this.entries.values()]; }
}
