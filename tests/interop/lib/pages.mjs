// Signalling that a scenario does itself, for servers that have none: `answers` maps paths to functions from offer to
// answer. Otherwise serves page/ and, under /console/, the console's modules, to the browsers.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { text } from 'node:stream/consumers';

const kTypes = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

export class PageServer {
  constructor(interop) {
    this.answers = new Map();
    this.server = createServer(async (request, response) => {
      const path = normalize(new URL(request.url, 'http://x').pathname);
      if (this.answers.has(path)) {
        await this.#answer(path, request, response).catch((error) => response.writeHead(500).end(String(error)));
        return;
      }
      const file = path.startsWith('/console/') ? join(interop, '../../tools', path)
        : join(interop, 'page', path === '/' ? 'index.html' : path);
      try {
        response.writeHead(200, { 'Content-Type': kTypes[extname(file)] ?? 'text/plain' }).end(await readFile(file));
      } catch {
        if (!response.headersSent) response.writeHead(404);
        response.end();
      }
    });
  }

  async #answer(path, request, response) {
    if (request.method !== 'POST') {
      response.writeHead(200).end();
      return;
    }
    const answer = await this.answers.get(path)(await text(request));
    response.writeHead(201, { 'Content-Type': 'application/sdp', Location: path }).end(answer);
  }

  listen(host) {
    return new Promise((resolve, reject) => {
      this.server.on('error', reject).listen(0, host, () => {
        this.url = `http://${host.includes(':') ? `[${host}]` : host}:${this.server.address().port}`;
        resolve();
      });
    });
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
