// Servers that know nothing of Sluice behind its relay: found by routes that the control plane installs.
import { candidatesOf, Edge } from '../lib/edge.mjs';
import { Janus } from '../lib/janus.mjs';
import { scenario } from '../lib/scenario.mjs';

async function post(t, relay, path, body, method = 'POST') {
  const response = await relay.fetch(path, { method, body: JSON.stringify(body) });
  const text = await response.text();
  t.check(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** Where the server waits for this call. */
const addressOf = (edge, answer) => candidatesOf(answer).map((text) => text.split(' ')[0])
  .find((text) => text.startsWith(edge.server.replace(/\d+$/, '')));

/** As a signalling service in front of such a server takes an offer to it and its answer back. */
const ways = {
  'by the route that POST /v1/sdp installs': async (t, edge, relay, server, offer) => {
    const there = await post(t, relay, '/v1/sdp', { sdp: offer, side: 'offer' });
    const answer = await server.answer(there.sdp);
    const back = await post(t, relay, '/v1/sdp', { sdp: answer, side: 'answer', server: addressOf(edge, answer) });
    return back.sdp;
  },
  'by a route of PUT /v1/routes': async (t, edge, relay, server, offer) => {
    const there = await post(t, relay, '/v1/sdp', { sdp: offer, side: 'offer' });
    const answer = await server.answer(there.sdp);
    const back = await post(t, relay, '/v1/sdp', { sdp: answer, side: 'answer' });
    const routes = back.ufrags.map((ufrag) => ({ ufrag, server: addressOf(edge, answer), ttl_s: 60 }));
    await post(t, relay, '/v1/routes', { routes }, 'PUT');
    return back.sdp;
  },
};

const kServers = {
  aiortc: (t, host) => t.python('aiortc_peer', ['serve'], { host }),
  GStreamer: (t, host) => t.python('gst_peer', ['serve'], { host }),
  Janus: (t, host) => Janus.start(t, host),
};

for (const [name, way, family] of [
  ['aiortc', 'by the route that POST /v1/sdp installs', 'v4'],
  ['aiortc', 'by a route of PUT /v1/routes', 'v6'],
  ['GStreamer', 'by a route of PUT /v1/routes', 'v4'],
  ['Janus', 'by the route that POST /v1/sdp installs', 'v4']]) {
  scenario(`Chromium talks to ${name} over IP${family} ${way}`, async (t) => {
    const edge = await Edge.make(t, { family });
    const relay = await edge.startRelay(['--public-address', edge.public]);
    const server = await kServers[name](t, edge.media);
    t.pageServer.answers.set('/behind', (offer) => ways[way](t, edge, relay, server, offer));
    const tab = await edge.chromium();
    const id = await tab.call('agent', `${t.pageServer.url}/behind`);
    await t.state(tab, id, 'connected');
    t.equal(candidatesOf(await tab.call('answer', id)), [`${edge.public} host`], 'candidates of the answer');
    await t.hears(tab, id);
    if (server.call) await t.hears(server, 0);
    const figures = await relay.json('/v1/relay');
    t.equal([figures.flows, figures.unconfirmed, figures.routes], [1, 0, 1], 'flows and routes');
    await post(t, relay, '/v1/routes', { routes: [{ ufrag: (await tab.call('state', id)).ufrag }] }, 'DELETE');
    t.equal((await relay.json('/v1/routes')).routes, 0, 'routes');
    await t.stillHears(tab, id);
  });
}
