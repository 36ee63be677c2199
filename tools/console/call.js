// One WebRTC call with Sluice: WHIP (publish), WHEP (play) or an agent (both directions).

/** The server refused: `status` is the HTTP status, `message` its reason in words. */
export class SignallingError extends Error {
  constructor(status, message) {
    super(message);
    this.name = 'SignallingError';
    this.status = status;
  }
}

/** What an unsuccessful response says, in one sentence. */
export async function reasonOf(response) {
  const text = (await response.text().catch(() => '')).trim();
  try {
    const body = JSON.parse(text);
    const message = body.error?.message ?? body.message ?? body.error ?? body.detail;
    const fix = body.error?.fix ?? body.fix;
    if (message) return fix ? `${message} ${fix}` : String(message);
  } catch {
    // Not JSON: the text itself is the reason.
  }
  return text.split('\n')[0].slice(0, 300) || `${response.status} ${response.statusText}`;
}

const lines = (sdp) => sdp.split(/\r?\n/).filter(Boolean);
const valueOf = (sdp, name) => lines(sdp).find((line) => line.startsWith(`a=${name}:`))?.slice(name.length + 3);

/** The ICE part of a description as RFC 8840 §9 wants it, for PATCH. */
export function iceFragment(sdp) {
  const media = lines(sdp).find((line) => line.startsWith('m='));
  const out = [`a=ice-ufrag:${valueOf(sdp, 'ice-ufrag')}`, `a=ice-pwd:${valueOf(sdp, 'ice-pwd')}`,
    media.replace(/^(m=\S+) \d+ (\S+) .*/, '$1 9 $2 0'), `a=mid:${valueOf(sdp, 'mid')}`];
  return out.concat(lines(sdp).filter((line) => line.startsWith('a=candidate:'))).join('\r\n') + '\r\n';
}

/** A remote description with the credentials and candidates of an answered fragment. */
export function withFragment(sdp, fragment) {
  const candidates = lines(fragment).filter((line) => line.startsWith('a=candidate:'));
  const out = [];
  for (const line of lines(sdp)) {
    if (line.startsWith('a=ice-ufrag:')) out.push(`a=ice-ufrag:${valueOf(fragment, 'ice-ufrag')}`);
    else if (line.startsWith('a=ice-pwd:')) out.push(`a=ice-pwd:${valueOf(fragment, 'ice-pwd')}`);
    else if (!(candidates.length && line.startsWith('a=candidate:'))) out.push(line);
    if (candidates.length && line.startsWith('a=ice-pwd:')) out.push(...candidates);
  }
  return out.join('\r\n') + '\r\n';
}

/**
 * Events: `state` (connecting, connected, interrupted, closed; `detail` says why), `stream` (remote media came).
 * After `closed` nothing else happens.
 */
export class Call extends EventTarget {
  /** @param {string} endpoint URL to POST to  @param {{token?: string, peer?: RTCConfiguration}} options */
  constructor(endpoint, options = {}) {
    super();
    this.endpoint = endpoint;
    this.token = options.token;
    this.state = 'connecting';
    this.remote = new MediaStream();
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', ...options.peer });
    this.pc.addEventListener('track', ({ track }) => {
      this.remote.addTrack(track);
      this.dispatchEvent(new Event('stream'));
    });
    this.pc.addEventListener('connectionstatechange', () => this.#follow());
  }

  static publish(endpoint, stream, options) {
    const call = new Call(endpoint, options);
    for (const track of stream.getTracks()) call.pc.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
    return call;
  }

  static play(endpoint, kinds = ['audio'], options = {}) {
    const call = new Call(endpoint, options);
    for (const kind of kinds) call.pc.addTransceiver(kind, { direction: 'recvonly' });
    return call;
  }

  static agent(endpoint, stream, options) {
    const call = new Call(endpoint, options);
    for (const track of stream.getTracks()) call.pc.addTransceiver(track, { direction: 'sendrecv', streams: [stream] });
    return call;
  }

  /** Offers and takes the answer. The offer names no candidate: Sluice learns ours from our checks. */
  async start() {
    try {
      await this.pc.setLocalDescription(await this.pc.createOffer());
      const response = await this.#send('POST', this.endpoint, 'application/sdp', this.pc.localDescription.sdp);
      if (response.status !== 201) throw new SignallingError(response.status, await reasonOf(response));
      this.location = new URL(response.headers.get('Location'), response.url).href;
      this.etag = response.headers.get('ETag');
      const answer = { type: 'answer', sdp: await response.text() };
      if (this.state === 'closed') await this.#send('DELETE', this.location);
      else await this.pc.setRemoteDescription(answer);
    } catch (error) {
      this.#end(error.message);
      throw error;
    }
    return this;
  }

  /** New ICE credentials on both sides; the media keep flowing meanwhile. */
  async restartIce() {
    this.pc.restartIce();
    await this.pc.setLocalDescription(await this.pc.createOffer());
    const fragment = iceFragment(this.pc.localDescription.sdp);
    const response = await this.#send('PATCH', this.location, 'application/trickle-ice-sdpfrag', fragment,
      { 'If-Match': '*' });
    if (!response.ok) throw new SignallingError(response.status, await reasonOf(response));
    this.etag = response.headers.get('ETag') ?? this.etag;
    const sdp = withFragment(this.pc.remoteDescription.sdp, await response.text());
    await this.pc.setRemoteDescription({ type: 'answer', sdp });
  }

  /** Ends the call here and, best effort, there. */
  async hangUp(why = 'hung up') {
    const location = this.location;
    this.#end(why);
    if (location) await this.#send('DELETE', location, undefined, undefined, {}, true).catch(() => {});
  }

  #send(method, url, type, body, extra = {}, keepalive = false) {
    const headers = { ...extra };
    if (type) headers['Content-Type'] = type;
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    return fetch(url, { method, headers, body, keepalive });
  }

  #follow() {
    const now = this.pc.connectionState;
    if (now === 'connected') this.#become('connected');
    else if (now === 'disconnected') this.#become('interrupted');
    else if (now === 'failed') this.#end('the connection was lost');
    else if (now === 'closed') this.#end('the other side hung up');
  }

  #become(state, detail = '') {
    if (this.state === 'closed' || (this.state === state && !detail)) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent('state', { detail }));
  }

  #end(why) {
    this.pc.close();
    this.#become('closed', why);
  }
}
