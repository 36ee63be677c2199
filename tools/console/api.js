// The figures: /v1, asked once a second.
import { reasonOf } from './call.js';

const kTokenKey = 'sluice-admin-token';

export class Api extends EventTarget {
  get token() { return sessionStorage.getItem(kTokenKey) ?? ''; }

  set token(value) { sessionStorage.setItem(kTokenKey, value); }

  async request(path, init = {}) {
    const headers = this.token ? { Authorization: `Bearer ${this.token}` } : {};
    const response = await fetch(path, { ...init, headers, cache: 'no-store' });
    if (response.ok) return response;
    throw Object.assign(new Error(await reasonOf(response)), { status: response.status });
  }

  async get(path) { return (await this.request(path)).json(); }

  hangUp(session) { return this.request(`/v1/sessions/${session}`, { method: 'DELETE' }); }

  endAllocation(id) { return this.request(`/v1/turn/allocations/${id}`, { method: 'DELETE' }); }

  /** Asks until stop(): events `figures` (detail: all of them) and `trouble` (detail: the error). */
  start() {
    const round = async () => {
      const began = performance.now();
      try {
        const [sessions, rooms, shards, engine, relay, servers] = await Promise.all(
          ['sessions', 'rooms', 'shards', 'engine', 'relay', 'servers'].map((name) => this.get(`/v1/${name}`)));
        const allocations = relay.turn ? await this.get('/v1/turn/allocations?limit=200') : null;
        this.dispatchEvent(new CustomEvent('figures', { detail: {
          time: began / 1000, total: sessions.total, sessions: sessions.sessions, rooms: rooms.rooms,
          shards: shards.shards, engine, relay, servers: servers.servers, allocations } }));
      } catch (error) {
        this.dispatchEvent(new CustomEvent('trouble', { detail: error }));
        if (error.status === 401 || error.status === 403) return;
      }
      this.timer = setTimeout(round, Math.max(200, 1000 - (performance.now() - began)));
    };
    this.stop();
    round();
  }

  stop() { clearTimeout(this.timer); }
}
