// Debian's Chromium through playwright-core.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { writeToneWav } from './wav.mjs';

const kFlags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required'];

/** A page; call() runs a method of page/peer.js in it. */
export class Tab {
  constructor(name, page) { Object.assign(this, { name, page }); }

  async call(method, ...args) {
    const result = await this.page.evaluate(([m, a]) => window.peerInvoke(m, a), [method, args]);
    if (result.error) {
      throw Object.assign(new Error(`${this.name}: ${method}: ${result.error}`), { status: result.status });
    }
    return result.value;
  }
}

export class Chromium {
  static async launch(test, { host, secure = '', microphone = false, args: more = [] } = {}) {
    const self = new Chromium();
    self.test = test;
    let executablePath = '/usr/bin/chromium';
    if (host) {
      executablePath = test.path(`chromium-there-${test.serial}`);
      const script = `#!/bin/sh\nexec ${host.prefix.join(' ')} /usr/bin/chromium "$@"\n`;
      writeFileSync(executablePath, script, { mode: 0o755 });
    }
    self.marker = `--sluice-test=${test.serial++}-${process.hrtime.bigint()}`;
    const args = [...kFlags, ...more, self.marker];
    if (secure) args.push(`--unsafely-treat-insecure-origin-as-secure=${secure}`);
    if (microphone) {
      writeToneWav(test.path('microphone.wav'));
      args.push(`--use-file-for-fake-audio-capture=${test.path('microphone.wav')}`);
    }
    self.browser = await chromium.launch({ executablePath, args, timeout: 30000 });
    return self;
  }

  /** A new page, by default of page/. */
  async open(url, { bare = false, viewport } = {}) {
    const context = await this.browser.newContext({ permissions: ['microphone', 'camera'], viewport });
    const page = await context.newPage();
    const name = `chromium-${++this.test.serial}`;
    const log = [];
    page.on('console', (message) => log.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => log.push(`uncaught: ${error.stack}`));
    this.test.after(() => this.test.file(`${name}.log`, `${log.join('\n')}\n`));
    await page.goto(url);
    if (!bare) await page.waitForFunction(() => window.peerReady, null, { timeout: 15000 });
    return Object.assign(new Tab(name, page), { browser: this, log });
  }

  /** As a crash or a dead battery would end it: no farewell to anybody. */
  kill() {
    const pids = execFileSync('pgrep', ['-f', '--', this.marker], { encoding: 'utf8' }).split('\n').filter(Boolean);
    for (const pid of pids) process.kill(Number(pid), 'SIGKILL');
  }

  async close() { await this.browser.close(); }
}
