// The tone sequence as a WAV file, for browsers whose microphone is a file. Chromium repeats it.
import { writeFileSync } from 'node:fs';
import { TONES_HZ, TONE_SECONDS } from '../page/tones.js';

export function writeToneWav(path, rate = 48000) {
  const perTone = Math.round(rate * TONE_SECONDS);
  const samples = new Int16Array(perTone * TONES_HZ.length);
  let phase = 0;
  samples.forEach((_, i) => {
    phase += (2 * Math.PI * TONES_HZ[Math.floor(i / perTone)]) / rate;
    samples[i] = 16000 * Math.sin(phase);
  });
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samples.byteLength, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(1, 22); // mono
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.byteLength, 40);
  writeFileSync(path, Buffer.concat([header, Buffer.from(samples.buffer)]));
}
