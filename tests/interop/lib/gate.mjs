// Joins what listens on 127.0.0.1 of one network namespace to the others, by sockets of the file system, which all
// of them see: HTTP and browsers' remote controls reach every host, UDP only goes where links lead.
// As a program: node gate.mjs DIR NAME; then a line "PORT OWNER" on stdin for each port to listen on.
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const at = (dir, name) => join(dir, `${name}.sock`);

function splice(one, other) {
  for (const [from, to] of [[one, other], [other, one]]) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }
}

const listening = (server, ...where) => new Promise((resolve, reject) => {
  server.on('error', reject).listen(...where, () => resolve(server));
});

/** Lets others reach what listens here: they connect to NAME.sock and say "PORT\n" first. */
export function serve(dir, name) {
  return listening(createServer({ allowHalfOpen: true }, (caller) => {
    let head = '';
    const onHead = (data) => {
      head += data.toString('latin1');
      const end = head.indexOf('\n');
      if (end < 0) return;
      caller.off('data', onHead).pause();
      caller.unshift(Buffer.from(head.slice(end + 1), 'latin1'));
      splice(caller, connect({ port: Number(head.slice(0, end)), host: '127.0.0.1', allowHalfOpen: true }));
    };
    caller.on('data', onHead).on('error', () => caller.destroy());
  }), at(dir, name));
}

/** Listens on the port here for what `owner` has there. */
export function listen(dir, port, owner) {
  return listening(createServer({ allowHalfOpen: true }, (caller) => {
    const there = connect({ path: at(dir, owner), allowHalfOpen: true });
    there.write(`${port}\n`);
    splice(caller, there);
  }), port, '127.0.0.1');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [dir, name] = process.argv.slice(2);
  await serve(dir, name);
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    const [port, owner] = line.split(' ');
    await listen(dir, Number(port), owner);
    console.log(`listening ${port}`);
  }
}
