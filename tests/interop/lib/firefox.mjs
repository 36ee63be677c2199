// Debian's Firefox ESR through Marionette, the protocol it speaks itself: "LENGTH:[0,id,command,parameters]" over TCP.
// It makes no sound graph without a sound server, so it gets one with a sink that goes nowhere.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const kPreferences = {
  'marionette.port': 0, 'browser.shell.checkDefaultBrowser': false, 'browser.startup.page': 0,
  'browser.startup.homepage_override.mstone': 'ignore', 'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.telemetry.reportingpolicy.firstRun': false, 'app.update.enabled': false, 'app.normandy.enabled': false,
  'network.captive-portal-service.enabled': false, 'network.connectivity-service.enabled': false,
  'media.autoplay.default': 0, 'media.autoplay.blocking_policy': 0, 'media.navigator.permission.disabled': true,
  'media.navigator.streams.fake': true, 'media.gmp-manager.updateEnabled': false,
  'security.sandbox.content.level': 0,
};

class Marionette {
  constructor(port) {
    this.pending = new Map();
    this.serial = 0;
    this.buffer = Buffer.alloc(0);
    this.socket = connect(port, '127.0.0.1');
    this.greeted = new Promise((resolve, reject) => {
      this.greet = resolve;
      this.socket.on('error', reject);
    });
    this.socket.on('data', (data) => this.#take(data));
    this.socket.on('close', () => {
      for (const { reject } of this.pending.values()) reject(new Error('Firefox closed the connection'));
    });
  }

  #take(data) {
    this.buffer = Buffer.concat([this.buffer, data]);
    for (;;) {
      const colon = this.buffer.indexOf(':');
      if (colon < 0) return;
      const end = colon + 1 + Number(this.buffer.subarray(0, colon));
      if (this.buffer.length < end) return;
      const message = JSON.parse(this.buffer.subarray(colon + 1, end));
      this.buffer = this.buffer.subarray(end);
      if (!Array.isArray(message)) { this.greet(); continue; }
      const [, id, error, result] = message;
      const { resolve, reject } = this.pending.get(id);
      this.pending.delete(id);
      if (error) reject(new Error(`${error.error}: ${error.message}`));
      else resolve(result);
    }
  }

  send(command, parameters = {}) {
    const id = ++this.serial;
    const text = JSON.stringify([0, id, command, parameters]);
    this.socket.write(`${Buffer.byteLength(text)}:${text}`);
    return new Promise((resolve, reject) => { this.pending.set(id, { resolve, reject }); });
  }
}

async function soundServer(test) {
  const home = mkdtempSync(join(tmpdir(), 'pulse-')); // a socket's path has room for 107 characters
  test.after(() => rmSync(home, { recursive: true, force: true }));
  const socket = join(home, 'socket');
  const env = { HOME: home, XDG_RUNTIME_DIR: home, PULSE_STATE_PATH: home, PULSE_RUNTIME_PATH: home };
  test.spawn('pulseaudio', 'pulseaudio', ['-n', '--daemonize=no', '--exit-idle-time=-1', '--disable-shm=yes',
    '--use-pid-file=no', '-L', `module-native-protocol-unix socket=${socket} auth-anonymous=1`,
    '-L', 'module-null-sink sink_name=nowhere rate=48000'], { env });
  await test.until('the sound server listens', () => existsSync(socket));
  return { PULSE_SERVER: `unix:${socket}` };
}

export class Firefox {
  static async launch(test, { host } = {}) {
    const self = Object.assign(new Firefox(), { test, name: `firefox-${++test.serial}` });
    const profile = test.path('firefox-profile');
    mkdirSync(profile);
    writeFileSync(join(profile, 'user.js'), Object.entries(kPreferences)
      .map(([key, value]) => `user_pref(${JSON.stringify(key)}, ${JSON.stringify(value)});\n`).join(''));
    const env = { ...await soundServer(test), HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' };
    self.child = test.spawn('firefox', 'firefox-esr',
      ['--headless', '--no-remote', '--new-instance', '--marionette', '--profile', profile], { env, host });
    const port = await test.until('Firefox opens its Marionette port', () => {
      if (!self.child.running) throw new Error(`it exited with ${self.child.code}`);
      return Number(readFileSync(join(profile, 'MarionetteActivePort'), 'utf8'));
    }, 40);
    await host?.hosts.share(port, host);
    self.marionette = new Marionette(port);
    await self.marionette.greeted;
    await self.marionette.send('WebDriver:NewSession', { strictFileInteractability: true });
    return self;
  }

  async script(text, ...args) {
    return (await this.marionette.send('WebDriver:ExecuteScript', { script: text, args })).value;
  }

  async open(url) {
    await this.marionette.send('WebDriver:Navigate', { url });
    await this.test.until('the page is ready in Firefox', () => this.script('return window.peerReady === true'));
  }

  /** Runs a method of page/peer.js, as Tab.call() does. */
  async call(method, ...args) {
    const ticket = await this.script('return window.peerTicket(arguments[0])',
      JSON.stringify({ method, args }));
    const json = await this.test.until(`${this.name}: ${method} returns`,
      () => this.script('return window.peerResult(arguments[0])', ticket), 30);
    const result = JSON.parse(json);
    if (result.error) {
      throw Object.assign(new Error(`${this.name}: ${method}: ${result.error}`), { status: result.status });
    }
    return result.value;
  }

  async close() {
    this.marionette.socket.destroy();
    await this.child.end();
  }
}
