// A line plot of one figure of all sessions over the last two minutes, on a canvas.
import { h, setText } from './dom.js';
import { kSeconds } from './history.js';

const kPad = { left: 34, right: 6, top: 6, bottom: 15 };

/** The next of 1, 2, 5, 10, 20, ... at or above `value`. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

export class Plot {
  constructor(series, colours) {
    Object.assign(this, { series, colours, entries: [], now: 0, selected: null, pointer: null });
    this.value = h('span', { class: 'now' });
    this.canvas = h('canvas', { role: 'img' });
    this.element = h('figure', { class: 'plot' },
      h('figcaption', {}, h('b', {}, series.title), h('span', { class: 'muted' }, ` ${series.unit}`), this.value),
      this.canvas);
    this.canvas.addEventListener('pointermove', ({ offsetX }) => { this.pointer = offsetX; this.draw(); });
    this.canvas.addEventListener('pointerleave', () => { this.pointer = null; this.draw(); });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  show(entries, now, selected) {
    Object.assign(this, { entries, now, selected });
    this.draw();
  }

  scale() {
    const { key, range, least } = this.series;
    if (range) return range;
    let top = least;
    for (const { samples } of this.entries) for (const sample of samples) if (sample[key] > top) top = sample[key];
    return [0, roundUp(top)];
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const context = this.canvas.getContext('2d');
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const [low, high] = this.scale();
    this.x = (time) => kPad.left + (width - kPad.left - kPad.right) * (1 - (this.now - time) / kSeconds);
    this.y = (value) => kPad.top + (height - kPad.top - kPad.bottom)
      * (1 - (Math.min(Math.max(value, low), high) - low) / (high - low));
    this.#axes(context, low, high, width, height);
    const rest = this.entries.filter(({ id }) => id !== this.selected);
    for (const entry of rest) this.#line(context, entry, this.selected === null ? 0.9 : 0.28, 1.25);
    for (const entry of this.entries) if (entry.id === this.selected) this.#line(context, entry, 1, 2);
    this.#caption(context, height);
  }

  #axes(context, low, high, width, height) {
    context.strokeStyle = this.colours.grid;
    context.fillStyle = this.colours.muted;
    context.font = '10px system-ui, sans-serif';
    context.lineWidth = 1;
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    for (const value of [low, (low + high) / 2, high]) {
      const y = Math.round(this.y(value)) + 0.5;
      context.beginPath();
      context.moveTo(kPad.left, y);
      context.lineTo(width - kPad.right, y);
      context.stroke();
      const shown = Math.abs(value) < 10 ? Math.round(value * 10) / 10 : Math.round(value);
      context.fillText(String(shown), kPad.left - 5, y);
    }
    context.textBaseline = 'alphabetic';
    context.textAlign = 'left';
    context.fillText('−2 min', kPad.left, height - 3);
    context.textAlign = 'right';
    context.fillText('now', width - kPad.right, height - 3);
  }

  #line(context, { samples, colour }, alpha, thickness) {
    context.strokeStyle = this.colours.lines[colour];
    context.globalAlpha = alpha;
    context.lineWidth = thickness;
    context.lineJoin = 'round';
    context.beginPath();
    let last = null;
    for (const sample of samples) {
      const value = sample[this.series.key];
      const joined = last !== null && sample.time - last < 3.5;
      last = value === null || value === undefined ? null : sample.time;
      if (last === null) continue;
      context[joined ? 'lineTo' : 'moveTo'](this.x(sample.time), this.y(value));
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  /** The value under the pointer, or now's: of the selected session, else the range over all. */
  #caption(context, height) {
    let time = this.now;
    if (this.pointer !== null) {
      const width = this.canvas.clientWidth - kPad.left - kPad.right;
      time = this.now - kSeconds * (1 - (Math.max(this.pointer, kPad.left) - kPad.left) / width);
      context.strokeStyle = this.colours.muted;
      context.beginPath();
      context.moveTo(this.pointer, kPad.top);
      context.lineTo(this.pointer, height - kPad.bottom);
      context.stroke();
    }
    const values = this.entries.filter(({ id }) => this.selected === null || id === this.selected)
      .map(({ samples }) => samples.reduce((best, s) => (
        Math.abs(s.time - time) < Math.abs(best.time - time) ? s : best)))
      .filter((sample) => Math.abs(sample.time - time) < 2).map((sample) => sample[this.series.key])
      .filter((value) => value !== null && value !== undefined);
    const show = (value) => value.toFixed(Math.abs(value) < 10 ? 1 : 0);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const text = !values.length ? '–' : values.length === 1 || show(least) === show(most)
      ? show(most) : `${show(least)} … ${show(most)}`;
    setText(this.value, text);
    this.canvas.setAttribute('aria-label', `${this.series.title}: ${text} ${this.series.unit}`);
  }
}

/** A line of 60 by 16 pixels for a table's cell. */
export function sparkline(canvas, samples, key, colour, now) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [72, 18];
  if (canvas.width !== width * ratio) {
    canvas.width = width * ratio;
    canvas.height = height * ratio;
  }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const top = Math.max(1, ...samples.map((sample) => sample[key] ?? 0));
  context.strokeStyle = colour;
  context.lineWidth = 1.25;
  context.beginPath();
  samples.filter((sample) => sample[key] !== null).forEach((sample, index) => {
    context[index ? 'lineTo' : 'moveTo'](width * (1 - (now - sample.time) / kSeconds),
      height - 2 - (height - 4) * (sample[key] / top));
  });
  context.stroke();
}
