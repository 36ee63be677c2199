// Goertzel's algorithm over blocks of 960 samples; a tone counts once it rules four blocks in a row.
const kBlock = 960;
const kBlocksToCount = 4;
const kQuiet = 1e-3;
const kShareToRule = 0.5;

class ToneEar extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.block = new Float32Array(kBlock);
    this.used = 0;
    this.coefficients = processorOptions.tones.map((hz) => 2 * Math.cos((2 * Math.PI * hz) / sampleRate));
    this.candidate = -1;
    this.run = 0;
  }

  /** Index of the tone that has most of the block's power, or -1. */
  ruling() {
    let total = 0;
    for (const sample of this.block) total += sample * sample;
    if (total / kBlock < kQuiet) return -1;
    let best = -1;
    let bestPower = 0;
    this.coefficients.forEach((c, index) => {
      let a = 0;
      let b = 0;
      for (const sample of this.block) [a, b] = [sample + c * a - b, a];
      const power = (a * a + b * b - c * a * b) * 2 / kBlock;
      if (power > bestPower) [best, bestPower] = [index, power];
    });
    return bestPower > kShareToRule * total ? best : -1;
  }

  digest() {
    const tone = this.ruling();
    this.run = tone === this.candidate ? this.run + 1 : 1;
    this.candidate = tone;
    if (this.run === kBlocksToCount && tone >= 0 && tone !== this.last) {
      this.last = tone;
      this.port.postMessage(tone);
    }
  }

  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    for (const sample of samples) {
      this.block[this.used++] = sample;
      if (this.used === kBlock) {
        this.used = 0;
        this.digest();
      }
    }
    return true;
  }
}
registerProcessor('tone-ear', ToneEar);
