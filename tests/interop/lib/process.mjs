// A child process in a process group of its own, with its output in a log and line by line at hand.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';

export class Child {
  constructor(command, args, { log, env = {} }) {
    this.lines = [];
    this.code = null;
    const out = createWriteStream(log);
    out.write(`$ ${command} ${args.join(' ')}\n`);
    this.process = spawn(command, args,
      { detached: true, stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.exited = new Promise((resolve) => {
      this.process.on('close', (code, signal) => {
        this.code = code ?? `killed by ${signal}`;
        out.end(`exit ${this.code}\n`);
        resolve(this.code);
      });
      this.process.on('error', (error) => {
        this.lines.push(String(error));
        this.code ??= String(error);
        resolve(this.code);
      });
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text) => {
        out.write(text);
        const parts = (rest + text).split('\n');
        rest = parts.pop();
        this.lines.push(...parts);
      });
    }
  }

  get running() { return this.code === null; }

  signal(name) {
    try { process.kill(-this.process.pid, name); } catch { /* it is gone */ }
  }

  async end() {
    if (this.running) this.signal('SIGKILL');
    await this.exited;
  }
}
