// `sluice run`, and its HTTP API as a scenario uses it.
import { createSocket } from 'node:dgram';

/** Whether somebody could bind the port now. */
const bindable = (port) => new Promise((resolve) => {
  const socket = createSocket('udp6');
  socket.on('error', () => resolve(false));
  socket.bind(port, '::', () => socket.close(() => resolve(true)));
});

export class Daemon {
  constructor(test, args, { env, host } = {}) {
    this.test = test;
    this.child = test.spawn('sluice', test.program, ['run', ...args], { env, host });
    this.headers = {};
  }

  /** Waits for the one line `ready http=... udp=...`. */
  async ready() {
    const line = await this.test.until('the daemon says ready', () => {
      if (!this.child.running) throw new Error(`it exited with ${this.child.code}: ${this.child.lines.at(-1)}`);
      return this.child.lines.find((text) => text.startsWith('ready http='));
    }, 15);
    const http = /http=(\S+)/.exec(line)[1];
    this.url = (/^https?:/.test(http) ? http : `http://${http}`).replace(/\/$/, '');
    this.udp = /udp=(\S+)/.exec(line)[1];
  }

  /** The kernel gives the sockets of a killed io_uring process back a moment after its death. */
  async end() {
    await this.child.end();
    const port = Number(this.udp?.split(',')[0].split(':').at(-1));
    if (port) await this.test.until('the UDP port is free again', () => bindable(port));
  }

  at(path) { return new URL(path, this.url).href; }

  fetch(path, init = {}) {
    return fetch(this.at(path), { ...init, headers: { ...this.headers, ...init.headers } });
  }

  async text(path) { return (await this.fetch(path)).text(); }

  async json(path) {
    const response = await this.fetch(path);
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** Live sessions. */
  async sessions() {
    const body = await this.json('/v1/sessions');
    return Array.isArray(body) ? body : body.sessions;
  }

  session(id) { return this.json(`/v1/sessions/${id}`); }

  /** Sum of all samples of a metric, or of those whose labels contain `labels`. */
  async metric(name, labels = '') {
    let sum = 0;
    for (const line of (await this.text('/metrics')).split('\n')) {
      const match = /^([A-Za-z_:][\w:]*)(\{.*\})? (\S+)/.exec(line);
      if (match && match[1] === name && (match[2] ?? '').includes(labels)) sum += Number(match[3]);
    }
    return sum;
  }

  /** A room token made by `sluice token room`. */
  token(secretFile, room, ...options) {
    return this.test.minted('room', '--room-secret', `@${secretFile}`, '--room', room, '--ttl', '600', ...options);
  }

  /** Packets dropped so far for any of the reasons, all shards together; all reasons without arguments. */
  async drops(...reasons) {
    let sum = 0;
    for (const { drops } of (await this.json('/v1/shards')).shards) {
      for (const [reason, count] of Object.entries(drops)) {
        if (!reasons.length || reasons.includes(reason)) sum += count;
      }
    }
    return sum;
  }

  /** POSTs an offer as a client would. */
  offer(path, sdp, headers = {}) {
    return this.fetch(path, { method: 'POST', body: sdp, headers: { 'Content-Type': 'application/sdp', ...headers } });
  }
}
