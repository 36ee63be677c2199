#!/usr/bin/env node
// Runs the scenarios of scenarios/*.mjs one after another inside a network of their own. Options:
//   --program PATH   the daemon (default: build/tools/sluice/sluice)
//   --logs DIR       logs of what failed (default: build/test-logs/interop)
//   --summary FILE   "PASSED FAILED" is written there
//   --only WORD      scenarios whose file or sentence has WORD
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { scenarios } from './lib/scenario.mjs';
import { Test } from './lib/test.mjs';
import { enterWorld, makeWorld } from './lib/world.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({ options: {
  program: { type: 'string', default: join(here, '../../build/tools/sluice/sluice') },
  logs: { type: 'string', default: join(here, '../../build/test-logs/interop') },
  summary: { type: 'string' }, only: { type: 'string' }, keep: { type: 'boolean', default: false },
  inside: { type: 'boolean', default: false },
} });
if (!options.inside) process.exit(enterWorld(fileURLToPath(import.meta.url)));

async function runOne(entry, world) {
  const dir = join(resolve(options.logs), entry.slug);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const test = new Test(dir, world, resolve(options.program));
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${entry.seconds} s`)), entry.seconds * 1000);
  });
  try {
    await Promise.race([entry.run(test), limit]);
    return { said: test.said };
  } catch (error) {
    await test.describe().catch(() => {});
    writeFileSync(join(dir, 'error.txt'), `${error.stack}\n`);
    return { error, said: test.said };
  } finally {
    clearTimeout(timer);
    await test.end();
  }
}

async function main() {
  const world = makeWorld();
  for (const file of readdirSync(join(here, 'scenarios')).filter((name) => name.endsWith('.mjs')).sort()) {
    scenarios.file = file.replace('.mjs', '');
    await import(`./scenarios/${file}`);
  }
  const chosen = scenarios.list.filter(({ slug }) => !options.only || slug.includes(options.only));
  let passed = 0;
  for (const [index, entry] of chosen.entries()) {
    const started = Date.now();
    process.stdout.write(`[${String(index + 1).padStart(2)}/${chosen.length}] ${entry.file}: ${entry.sentence} ... `);
    const { error, said } = await runOne(entry, world);
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    console.log([`${error ? 'FAILED' : 'ok'} (${seconds} s)`, ...said].join('; '));
    if (error) {
      console.log(`    ${error.message.replaceAll('\n', '\n    ')}\n    logs: ${join(options.logs, entry.slug)}`);
    }
    else if (!options.keep) rmSync(join(resolve(options.logs), entry.slug), { recursive: true, force: true });
    passed += error ? 0 : 1;
  }
  const failed = chosen.length - passed;
  if (options.summary) writeFileSync(options.summary, `${passed} ${chosen.length ? failed : 1}\n`);
  console.log(`interop: ${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

// PID 1 of its own process namespace ignores signals that it does not name.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
process.exit(await main());
