// What a scenario is given: daemons, browsers, other stacks, and ways to wait for conditions. Ends all it started.
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Chromium } from './chromium.mjs';
import { Daemon } from './daemon.mjs';
import { Firefox } from './firefox.mjs';
import { PageServer } from './pages.mjs';
import { Child } from './process.mjs';
import { PythonPeer } from './python.mjs';

const kPoll = 100;
export const kTones = 8;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Length of the longest run of tones that follow one another as they were sent. */
export function longestRun(heard) {
  let best = heard.length ? 1 : 0;
  let run = best;
  for (let i = 1; i < heard.length; ++i) {
    run = heard[i] === (heard[i - 1] + 1) % kTones ? run + 1 : 1;
    best = Math.max(best, run);
  }
  return best;
}

export class Test {
  constructor(dir, world, program) {
    Object.assign(this, { dir, world, program, cleanups: [], tabs: [], daemons: [], said: [], serial: 0 });
    this.interop = join(dirname(fileURLToPath(import.meta.url)), '..');
  }

  /** Runs `action` when the scenario is over, last first. */
  after(action) { this.cleanups.push(action); }

  path(name) { return join(this.dir, name); }

  file(name, text, mode = 0o600) {
    writeFileSync(this.path(name), text, { mode });
    return this.path(name);
  }

  /** A figure that nobody asserts, for people to see beside the result. */
  say(text) { this.said.push(text); }

  read(name) { return readFileSync(this.path(name), 'utf8'); }

  check(condition, what) {
    if (!condition) throw new Error(`does not hold: ${what}`);
  }

  equal(actual, expected, what) {
    const [a, e] = [actual, expected].map((value) => JSON.stringify(value));
    if (a !== e) throw new Error(`${what}: expected ${e}, got ${a}`);
  }

  /** Polls until `probe` returns something truthy, which it returns. Exceptions count as not yet. */
  async until(what, probe, seconds = 20) {
    const deadline = Date.now() + seconds * 1000;
    let last;
    for (;;) {
      try {
        last = await probe();
        if (last) return last;
      } catch (error) {
        last = error.message;
      }
      if (Date.now() > deadline) {
        throw new Error(`waited ${seconds} s in vain: ${what} (last: ${JSON.stringify(last)})`);
      }
      await pause(kPoll);
    }
  }

  /** `host`: what has a `prefix` that runs a command in a namespace; by default the runner's own. */
  spawn(name, command, args = [], { env, host } = {}) {
    const line = [...(host?.prefix ?? []), command, ...args];
    const child = new Child(line[0], line.slice(1), { log: this.path(`${++this.serial}-${name}.log`), env });
    this.after(() => child.end());
    return child;
  }

  /** What `sluice token ARGS` prints. */
  async minted(...args) {
    const child = this.spawn('token', this.program, ['token', ...args]);
    const code = await child.exited;
    if (code !== 0) throw new Error(`sluice token: exit ${code}: ${child.lines.join(' ')}`);
    return child.lines.at(-1).trim();
  }

  /** A daemon that has said `ready`. */
  async daemon(args = [], options = {}) {
    const daemon = new Daemon(this, args, options);
    this.daemons.push(daemon);
    this.after(() => daemon.end());
    await daemon.ready();
    return daemon;
  }

  /** Files with a certificate for these addresses, signed by itself, and its key. */
  certificate(...addresses) {
    const [cert, key] = [this.path('tls-cert.pem'), this.path('tls-key.pem')];
    const names = addresses.map((address) => `IP:${address}`).join(',');
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days',
      '2', '-subj', '/CN=localhost', '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', cert],
    { stdio: 'ignore' });
    return { cert, key };
  }

  /** A program that listens on a TCP port of 127.0.0.1; returns the port. */
  async occupiedTcp() {
    const server = createServer();
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    this.after(() => server.close());
    return server.address().port;
  }

  async pages(host = '127.0.0.1') {
    const server = new PageServer(this.interop);
    await server.listen(host);
    this.after(() => server.close());
    return server;
  }

  /** A page in a Chromium of its own. */
  async chromium(options = {}) {
    this.pageServer ??= await this.pages();
    const browser = await Chromium.launch(this, options);
    this.after(() => browser.close());
    return browser.open(options.url ?? this.pageServer.url, options);
  }

  async firefox(options = {}) {
    this.pageServer ??= await this.pages();
    const browser = await Firefox.launch(this, options);
    this.after(() => browser.close());
    await browser.open(this.pageServer.url);
    return browser;
  }

  /** peers/NAME.py with the arguments. */
  python(name, args, options) { return new PythonPeer(this, name, args, options); }

  /** Waits until the ear of call `id` heard `count` tones in the order they were sent. */
  async hears(tab, id, count = 2 * kTones, seconds = 25) {
    await this.until(`${tab.name} hears ${count} tones in order`, async () => {
      tab.lastHeard = await tab.call('heard', id);
      return longestRun(tab.lastHeard) >= count;
    }, seconds).catch((error) => { throw new Error(`${error.message}; heard ${JSON.stringify(tab.lastHeard)}`); });
  }

  /** Like hears(), but only what comes from now on counts. */
  async stillHears(tab, id, count = 2 * kTones, seconds = 25) {
    await tab.call('forget', id);
    await this.hears(tab, id, count, seconds);
  }

  async state(tab, id, wanted, seconds = 20) {
    return this.until(`${tab.name}: call is ${wanted}`, async () => {
      const now = await tab.call('state', id);
      tab.lastState = now;
      return now.state === wanted && now;
    }, seconds);
  }

  /** The call gets connected and hears the tones; its state. */
  async talks(tab, id) {
    const state = await this.state(tab, id, 'connected');
    await this.hears(tab, id);
    return state;
  }

  /** A call of `tab` to an agent that says back what it hears. */
  async echo(tab, url, options) {
    const id = await tab.call('agent', url, options);
    await this.talks(tab, id);
    return { tab, id };
  }

  /** `tab` publishes; its call. */
  async publish(tab, url, options) {
    const id = await tab.call('publish', url, options);
    await this.state(tab, id, 'connected');
    return id;
  }

  /** `tab` plays what is published; its call. */
  async play(tab, url, options) {
    const id = await tab.call('play', url, options);
    await this.talks(tab, id);
    return id;
  }

  /** Called when a scenario failed: what the daemons know goes into the log. */
  async describe() {
    for (const [index, daemon] of this.daemons.entries()) {
      if (daemon.child.running && daemon.url) {
        this.file(`sessions-${index}.json`, JSON.stringify(await daemon.sessions().catch(String), null, 2));
        this.file(`metrics-${index}.txt`, await daemon.text('/metrics').catch(String));
      }
    }
  }

  async end() {
    while (this.cleanups.length) {
      try { await this.cleanups.pop()(); } catch (error) { this.file('cleanup-error.txt', `${error.stack}\n`); }
    }
  }
}
