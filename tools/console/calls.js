// Calls made from this page: talk to the echo agent, publish to rooms, play from them; any number at once.
import { Call } from './call.js';
import { byId, h, setText } from './dom.js';
import { Meter } from './meter.js';

const kWords = { connecting: 'connecting', connected: 'connected', interrupted: 'interrupted', closed: 'over' };

/** Why there is no microphone or camera, and what to do about it. */
export function mediaTrouble(error) {
  if (!navigator.mediaDevices) {
    return `Browsers give no microphone to pages that came by plain HTTP from another machine. Open
      http://localhost:${location.port || 80}/ on the machine itself (an SSH tunnel will do), or start Sluice with
      --http-cert and --http-key.`;
  }
  return {
    NotAllowedError:
      'The browser was told to give no microphone. Allow it at the left of the address bar, then try again.',
    NotFoundError: 'There is no microphone (or camera) on this machine.',
    NotReadableError: 'Another program holds the microphone (or camera), or it does not answer.',
  }[error.name] ?? error.message;
}

async function capture(video) {
  if (!navigator.mediaDevices) throw new Error(mediaTrouble());
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true }, video });
  } catch (error) {
    throw new Error(mediaTrouble(error));
  }
}

/** One call as a card. */
class Card {
  constructor(title, onClose) {
    this.title = title;
    this.state = h('span', { class: 'state new' }, 'connecting');
    this.button = h('button', { type: 'button', class: 'danger', 'aria-label': `Hang up: ${title}`,
      on: { click: () => this.call?.hangUp() } }, 'Hang up');
    this.body = h('div', {});
    this.element = h('article', { class: 'card call', 'aria-label': title },
      h('div', { class: 'head' }, h('b', {}, title), this.state, this.button), this.body);
    this.onClose = onClose;
    this.meters = [];
  }

  meter(label, stream) {
    const meter = new Meter(label);
    meter.follow(stream);
    this.meters.push(meter);
    this.body.append(meter.element);
  }

  follow(call, own) {
    this.call = call;
    if (own) this.meter('sent', own);
    call.addEventListener('state', ({ detail }) => {
      this.state.className = `state ${{ connected: 'connected', closed: 'closed' }[call.state] ?? 'checking'}`;
      setText(this.state, kWords[call.state]);
      if (call.state === 'closed') this.#end(own, detail);
    });
    call.addEventListener('stream', () => this.#hear(call.remote));
  }

  #hear(stream) {
    const video = stream.getVideoTracks().length > 0;
    if (!this.player || (video && this.player.tagName === 'AUDIO')) {
      this.player?.remove();
      this.player = h(video ? 'video' : 'audio', { autoplay: true, playsInline: true });
      this.body.append(this.player);
      this.player.srcObject = stream;
      this.player.play().catch(() => {});
    }
    if (stream.getAudioTracks().length && !this.hears) {
      this.hears = true;
      this.meter('received', stream);
    }
  }

  #end(own, why) {
    for (const meter of this.meters) meter.stop();
    own?.getTracks().forEach((track) => track.stop());
    if (this.player) this.player.srcObject = null;
    this.body.replaceChildren(h('p', { class: 'muted' }, why));
    this.button.replaceWith(h('button', { type: 'button', class: 'quiet', 'aria-label': `Remove: ${this.title}`,
      on: { click: () => this.element.remove() } }, '✕'));
    this.onClose?.();
    if (why === 'hung up') this.element.remove();
  }
}

const roomToken = () => byId('room-token').value.trim() || sessionStorage.getItem('sluice-admin-token') || undefined;

export function notify(text, ...actions) {
  byId('notice').replaceChildren(...(text ? [h('div', { class: 'card notice' }, h('p', {}, text), ...actions,
    h('button', { type: 'button', class: 'quiet', 'aria-label': 'Dismiss', on: { click: () => notify('') } },
      '✕'))] : []));
}

/** Starts a call; what goes wrong is said in the page. Returns the call, or null. */
async function open(title, endpoint, { own = null, make, onClose, onTaken }) {
  const card = new Card(title, onClose);
  const call = make(endpoint, { token: roomToken() });
  card.follow(call, own);
  byId('calls').prepend(card.element);
  notify('');
  try {
    await call.start();
    return call;
  } catch (error) {
    card.element.remove();
    if (error.status === 409 && onTaken) {
      notify(error.message, h('button', { type: 'button', on: { click: onTaken } }, 'Take the room over'));
    } else if (error.status === 401) {
      byId('room-token').closest('details').open = true;
      notify(`${error.message} Enter a room token and try again.`);
    } else {
      notify(`${title}: ${error.message}`);
    }
    return null;
  }
}

async function publish(room, video, takeover = false) {
  const own = await capture(video);
  await open(`Publish ${room}`, `/whip/${encodeURIComponent(room)}${takeover ? '?takeover=1' : ''}`, {
    own, make: (endpoint, options) => Call.publish(endpoint, own, options),
    onTaken: takeover ? null : () => publish(room, video, true).catch(({ message }) => notify(message)) });
}

export function setUpCalls() {
  const talk = byId('talk');
  let talking = null;
  const idle = () => {
    talking = null;
    talk.setAttribute('aria-pressed', 'false');
    talk.textContent = 'Talk';
  };
  talk.addEventListener('click', async () => {
    if (talking) {
      talking.hangUp();
      return;
    }
    talk.disabled = true;
    try {
      const own = await capture(false);
      talking = await open('Talk to echo', '/agent/echo',
        { own, make: (endpoint, options) => Call.agent(endpoint, own, options), onClose: idle });
      if (talking) {
        talk.setAttribute('aria-pressed', 'true');
        talk.textContent = 'Hang up';
      }
    } catch (error) {
      notify(error.message);
    } finally {
      talk.disabled = false;
    }
  });

  const onSubmit = (id, action) => byId(id).addEventListener('submit', (event) => {
    event.preventDefault();
    const { room, video } = event.target.elements;
    action(room.value.trim(), video.checked).catch(({ message }) => notify(message));
  });
  onSubmit('publish', publish);
  onSubmit('play', (room, video) => open(`Play ${room}`, `/whep/${encodeURIComponent(room)}`,
    { make: (endpoint, options) => Call.play(endpoint, video ? ['audio', 'video'] : ['audio'], options) }));
}

/** Buttons for the rooms that live; a press plays one. */
export function showRooms(rooms) {
  const box = byId('rooms');
  const live = rooms.filter(({ publisher }) => publisher !== null).slice(0, 24);
  const key = JSON.stringify(live);
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.replaceChildren(...live.map(({ name, subscribers }) => h('button', { type: 'button', class: 'quiet room',
    title: `Play ${name}`, on: { click: () => {
      byId('play').elements.room.value = name;
      byId('play').requestSubmit();
    } } }, h('i', { class: 'dot' }), name, h('span', { class: 'muted' }, ` ${subscribers}`))));
}
