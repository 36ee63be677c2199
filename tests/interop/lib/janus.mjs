// Debian's Janus, with its echo test: what a caller sends comes back.
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const kPort = 8088;
const kOthers = ['audiobridge', 'duktape', 'lua', 'nosip', 'recordplay', 'sip', 'streaming', 'textroom', 'videocall',
  'videoroom', 'voicemail'].map((name) => `libjanus_${name}.so`).join(',');
const kTransports = ['mqtt', 'nanomsg', 'pfunix', 'rabbitmq', 'websockets']
  .map((name) => `libjanus_${name}.so`).join(',');

export class Janus {
  /** On `host`, as anybody would run it there. */
  static async start(test, host) {
    const folder = test.path('janus');
    mkdirSync(folder);
    const file = (name, text) => writeFileSync(join(folder, name), text);
    file('janus.jcfg', `general: { configs_folder = "${folder}" }\nmedia: { ipv6 = false }\n`
      + `plugins: { disable = "${kOthers}" }\ntransports: { disable = "${kTransports}" }\n`);
    file('janus.transport.http.jcfg',
      `general: { http = true, port = ${kPort}, ip = "127.0.0.1", https = false }\n`);
    const self = Object.assign(new Janus(), { test, base: `http://127.0.0.1:${kPort}/janus` });
    self.child = test.spawn('janus', 'janus', ['--config', join(folder, 'janus.jcfg'), '--configs-folder', folder,
      '--disable-colors', '--log-stdout'], { host });
    await host.hosts.share(kPort, host);
    await test.until('Janus answers', async () => (await fetch(`${self.base}/info`)).ok);
    return self;
  }

  async #ask(path, body) {
    const response = await fetch(`${this.base}${path}`,
      { method: 'POST', body: JSON.stringify({ transaction: randomUUID(), ...body }) });
    return response.json();
  }

  /** The answer of a new call with the echo test. */
  async answer(offer) {
    const session = `/${(await this.#ask('', { janus: 'create' })).data.id}`;
    const plugin = await this.#ask(session, { janus: 'attach', plugin: 'janus.plugin.echotest' });
    await this.#ask(`${session}/${plugin.data.id}`,
      { janus: 'message', body: { audio: true }, jsep: { type: 'offer', sdp: offer } });
    return this.test.until('Janus answers the offer', async () =>
      (await (await fetch(`${this.base}${session}?maxev=1`)).json()).jsep?.sdp);
  }
}
