// The list of scenarios; each file of scenarios/ adds to it when it is imported.
export const scenarios = { file: '', list: [] };

/** @param {string} sentence what holds  @param {(t: import('./test.mjs').Test) => Promise<void>} run */
export function scenario(sentence, run, { seconds = 60 } = {}) {
  const slug = `${scenarios.file}-${sentence.replace(/[^A-Za-z0-9]+/g, '-').toLowerCase()}`.slice(0, 100);
  scenarios.list.push({ file: scenarios.file, sentence, run, seconds, slug });
}
