// A level meter over a stream, in dB full scale from -60 to 0.
import { h } from './dom.js';

let context;
const meters = new Set();

function audio() {
  context ??= new AudioContext();
  if (context.state === 'suspended') context.resume();
  return context;
}

function frame() {
  for (const meter of meters) meter.draw();
  if (meters.size) requestAnimationFrame(frame);
}

export class Meter {
  constructor(label) {
    this.bar = h('i');
    this.element = h('div', { class: 'meter', role: 'meter', 'aria-label': label, 'aria-valuemin': '-60',
      'aria-valuemax': '0', 'aria-valuenow': '-60' }, h('span', {}, label), h('span', { class: 'gauge' }, this.bar));
    this.shown = -60;
  }

  follow(stream) {
    this.stop();
    this.source = audio().createMediaStreamSource(stream);
    this.analyser = audio().createAnalyser();
    this.analyser.fftSize = 1024;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.source.connect(this.analyser);
    meters.add(this);
    if (meters.size === 1) requestAnimationFrame(frame);
  }

  draw() {
    this.analyser.getFloatTimeDomainData(this.samples);
    let power = 0;
    for (const sample of this.samples) power += sample * sample;
    const level = Math.max(-60, 10 * Math.log10(power / this.samples.length + 1e-9));
    this.shown = Math.max(level, this.shown - 1.2); // falls slowly, so that the eye can follow
    this.bar.style.transform = `scaleX(${1 + this.shown / 60})`;
    const rounded = String(Math.round(this.shown));
    if (this.element.getAttribute('aria-valuenow') !== rounded) this.element.setAttribute('aria-valuenow', rounded);
  }

  stop() {
    meters.delete(this);
    this.source?.disconnect();
  }
}
