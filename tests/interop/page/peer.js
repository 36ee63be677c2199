// What a scenario can make a browser do. Every call takes and returns plain JSON; calls are named by small numbers.
import { Call } from './console/call.js';
import { ToneEar, toneStream } from './tones.js';

const kStats = ['inbound-rtp', 'outbound-rtp', 'remote-inbound-rtp', 'candidate-pair', 'local-candidate', 'codec',
  'transport'];
const calls = [];
let ready;

/** The page's one audio context, once it knows the ear. */
function audio() {
  ready ??= (async () => {
    const context = new AudioContext({ sampleRate: 48000 });
    await context.audioWorklet.addModule('tone-ear.js');
    await context.resume();
    return context;
  })();
  return ready;
}

function remember(call) {
  const entry = { call, ear: null, why: '' };
  call.addEventListener('state', ({ detail }) => { entry.why = detail; });
  call.addEventListener('stream', async () => {
    if (call.remote.getAudioTracks().length && !entry.ear) {
      entry.ear = new ToneEar(await audio(), call.remote);
    } else if (call.remote.getVideoTracks().length) {
      entry.video = document.createElement('video');
      entry.video.muted = entry.video.autoplay = true;
      entry.video.srcObject = call.remote;
      document.body.append(entry.video);
    }
  });
  return calls.push(entry) - 1;
}

async function source({ video, microphone }) {
  const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = microphone
    ? await navigator.mediaDevices.getUserMedia({ audio: raw })
    : toneStream(await audio());
  if (!video) return stream;
  const camera = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240, frameRate: 15 } });
  return new MediaStream([...stream.getAudioTracks(), ...camera.getVideoTracks()]);
}

function prefer(call, codec) {
  const sender = call.pc.getTransceivers().find((t) => (t.sender.track ?? t.receiver.track).kind === 'video');
  const known = RTCRtpReceiver.getCapabilities('video').codecs;
  const wanted = known.filter((c) => c.mimeType.toLowerCase() === `video/${codec.toLowerCase()}`);
  if (!wanted.length) throw new Error(`this browser has no ${codec}`);
  sender.setCodecPreferences(wanted);
}

/** Notes the longest time between two packets of sound from now on. */
function watch(entry) {
  const [receiver] = entry.call.pc.getReceivers().filter(({ track }) => track.kind === 'audio');
  let last = 0;
  let since = performance.now();
  entry.gap = 0;
  entry.timer ??= setInterval(() => {
    const now = performance.now();
    const [source] = receiver.getSynchronizationSources();
    if (source && source.rtpTimestamp !== last) {
      last = source.rtpTimestamp;
      since = now;
    }
    entry.gap = Math.max(entry.gap, now - since);
  }, 10);
}

/** From now on this page claims another certificate than it has. */
function lie() {
  const honest = window.fetch;
  window.fetch = (url, init) => honest(url, { ...init, body: init.body?.replace(/(a=fingerprint:sha-256 )(..)/g,
    (_, head, byte) => head + (byte === '00' ? '01' : '00')) });
}

/** The call hears only of those of the server's candidates that go by `transport`. */
function only(pc, transport) {
  const honest = pc.setRemoteDescription.bind(pc);
  const wanted = (line) => !line.startsWith('a=candidate:') || line.split(' ')[2] === transport;
  pc.setRemoteDescription = ({ type, sdp }) => honest({ type, sdp: sdp.split('\r\n').filter(wanted).join('\r\n') });
}

const start = async (call, { codec, lieAboutFingerprint, transport }) => {
  if (transport) only(call.pc, transport);
  if (codec) prefer(call, codec);
  if (lieAboutFingerprint) lie();
  const id = remember(call);
  await call.start();
  return id;
};

const peer = {
  publish: async (url, options = {}) => start(Call.publish(url, await source(options), options), options),
  play: async (url, options = {}) => start(
    Call.play(url, options.video ? ['audio', 'video'] : ['audio'], options), options),
  agent: async (url, options = {}) => start(Call.agent(url, await source(options), options), options),
  state: (id) => ({
    state: calls[id].call.state, why: calls[id].why, ice: calls[id].call.pc.iceConnectionState,
    location: calls[id].call.location, etag: calls[id].call.etag,
    ufrag: /a=ice-ufrag:(\S+)/.exec(calls[id].call.pc.remoteDescription?.sdp ?? '')?.[1],
  }),
  heard: (id) => calls[id].ear?.heard ?? [],
  forget: (id) => { if (calls[id].ear) calls[id].ear.heard = []; },
  watch: (id) => watch(calls[id]),
  /** Milliseconds. */
  gap: (id) => Math.round(calls[id].gap),
  restartIce: (id) => calls[id].call.restartIce(),
  hangUp: (id) => calls[id].call.hangUp(),
  vanish: (id) => calls[id].call.pc.close(),
  answer: (id) => calls[id].call.pc.remoteDescription.sdp,
  offer: (id) => calls[id].call.pc.localDescription.sdp,
  stats: async (id) => [...(await calls[id].call.pc.getStats()).values()].filter(({ type }) => kStats.includes(type)),
  /** Two connections inside this page, to try the tones themselves. */
  loop: async () => {
    const near = Call.publish('', toneStream(await audio()));
    const far = new Call('');
    const id = remember(far);
    near.pc.onicecandidate = ({ candidate }) => far.pc.addIceCandidate(candidate);
    far.pc.onicecandidate = ({ candidate }) => near.pc.addIceCandidate(candidate);
    await near.pc.setLocalDescription(await near.pc.createOffer());
    await far.pc.setRemoteDescription(near.pc.localDescription);
    await far.pc.setLocalDescription(await far.pc.createAnswer());
    await near.pc.setRemoteDescription(far.pc.localDescription);
    calls.push({ call: near, ear: null, why: '' });
    return id;
  },
};

async function invoke(method, args) {
  try {
    return { value: await peer[method](...args) };
  } catch (error) {
    return { error: `${error.name}: ${error.message}`, status: error.status };
  }
}

// Drivers that cannot await a promise of the page take a ticket and ask for its result.
const results = new Map();
let tickets = 0;
window.peerInvoke = invoke;
window.peerTicket = (json) => {
  const ticket = ++tickets;
  const { method, args } = JSON.parse(json);
  invoke(method, args).then((result) => results.set(ticket, JSON.stringify(result)));
  return ticket;
};
window.peerResult = (ticket) => results.get(ticket) ?? '';
window.peerReady = true;
