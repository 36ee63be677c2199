// Serves page/ and, under /console/, the console's modules, to the browsers.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';

const kTypes = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

export class PageServer {
  constructor(interop) {
    this.server = createServer(async (request, response) => {
      const path = normalize(new URL(request.url, 'http://x').pathname);
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
