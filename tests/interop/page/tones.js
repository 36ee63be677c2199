// The tone sequence that every publisher sends and every player listens for: eight tones of 200 ms, repeating.
// peers/tones.py is the same for Python.
export const TONES_HZ = [440, 620, 830, 1060, 1310, 1580, 1870, 2180];
export const TONE_SECONDS = 0.2;

/** A stream of the sequence, from now for some seven minutes. */
export function toneStream(context) {
  const oscillator = new OscillatorNode(context, { frequency: TONES_HZ[0] });
  const start = context.currentTime;
  for (let i = 0; i < 2048; ++i) {
    oscillator.frequency.setValueAtTime(TONES_HZ[i % TONES_HZ.length], start + i * TONE_SECONDS);
  }
  const gain = new GainNode(context, { gain: 0.5 });
  const out = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  oscillator.connect(gain).connect(out);
  oscillator.start();
  return out.stream;
}

/** Listens to a stream; `heard` grows by one index for each tone recognised. */
export class ToneEar {
  constructor(context, stream) {
    this.heard = [];
    // Chromium feeds a remote track into Web Audio only while an element plays it as well.
    this.element = new Audio();
    this.element.muted = true;
    this.element.srcObject = stream;
    this.element.play().catch(() => {});
    this.source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
    this.worklet = new AudioWorkletNode(context, 'tone-ear',
      { numberOfOutputs: 1, processorOptions: { tones: TONES_HZ } });
    this.worklet.port.onmessage = ({ data }) => this.heard.push(data);
    const silence = new GainNode(context, { gain: 0 });
    this.source.connect(this.worklet).connect(silence).connect(context.destination);
  }
}
