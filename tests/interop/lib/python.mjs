// A peer in Python (Debian's, which has aiortc and GStreamer): prints one JSON object a line, takes commands on stdin.
import { join } from 'node:path';

export class PythonPeer {
  constructor(test, script, args, options = {}) {
    this.test = test;
    this.name = script;
    this.child = test.spawn(script, '/usr/bin/python3',
      ['-u', join(test.interop, 'peers', `${script}.py`), ...args], options);
  }

  get events() {
    return this.child.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }

  /** The answer of a peer that serves, to an offer. */
  async answer(offer) {
    this.child.process.stdin.write(`${JSON.stringify({ offer })}\n`);
    const { sdp } = await this.test.until(`${this.name} answers`,
      () => this.events.find(({ event }) => event === 'answer'));
    return sdp;
  }

  /** The same names as page/peer.js: scenarios treat all peers alike. A peer has one call, so there is no id. */
  async call(method) {
    if (method === 'heard') {
      return this.events.filter(({ event }) => event === 'tone').map(({ tone }) => tone).slice(this.from ?? 0);
    }
    if (method === 'forget') { this.from = this.events.filter(({ event }) => event === 'tone').length; return null; }
    if (method === 'state') {
      return { state: this.events.filter(({ event }) => event === 'state').at(-1)?.state ?? 'new' };
    }
    if (method === 'hangUp') { this.child.process.stdin.write('hangup\n'); return this.child.exited; }
    throw new Error(`${this.name} cannot ${method}`);
  }
}
