// What is wrong gets a clear error or a counted drop, while another call goes on.
import { request } from 'node:http';
import { scenario } from '../lib/scenario.mjs';

async function bystander(t, daemon) {
  const { tab, id } = await t.echo(await t.chromium(), daemon.at('/agent/echo'));
  const [session] = await daemon.sessions();
  return { tab, id, session, offer: await tab.call('offer', id), goesOn: () => t.stillHears(tab, id) };
}

/** A refusal must be a problem document that says in words what is wrong. */
async function refused(t, response, statuses, what) {
  const text = await response.text();
  t.check(statuses.includes(response.status),
    `${what}: one of ${statuses}, not ${response.status} ${text.slice(0, 200)}`);
  t.check(response.headers.get('content-type') === 'application/problem+json', `${what}: a problem document`);
  const problem = JSON.parse(text);
  t.check(problem.status === response.status && problem.detail.length > 10, `${what}: says why: ${text}`);
}

scenario('malformed and unserveable offers get a clear refusal', async (t) => {
  const daemon = await t.daemon();
  const call = await bystander(t, daemon);
  const { offer } = call;
  const without = (pattern) => offer.split('\r\n').filter((line) => !pattern.test(line)).join('\r\n');
  const cases = {
    'an empty body': ['', [400]],
    noise: ['v=0\r\n\0\x01\x02 nonsense', [400]],
    'half an offer': [offer.slice(0, offer.indexOf('a=ice-ufrag') + 8), [400, 406]],
    'no ufrag': [without(/^a=ice-ufrag/), [400]],
    'no password': [without(/^a=ice-pwd/), [400]],
    'no fingerprint': [without(/^a=fingerprint/), [400, 406]],
    'a fingerprint that is none': [offer.replace(/a=fingerprint:.*/, 'a=fingerprint:sha-256 ZZ'), [400]],
    'no bundled rtcp': [without(/^a=rtcp-mux/), [400, 406]],
    'no codec that is served': [offer.replaceAll(/opus\/48000\/2/g, 'G729/8000')
      .replaceAll(/red\/48000\/2|PCM[UA]\/8000|G722\/8000|CN\/8000|telephone-event\/\d+/g, 'x-none/8000'), [406]],
    'SDES keys instead of DTLS': [without(/^a=(fingerprint|setup)/).replace('UDP/TLS/RTP/SAVPF', 'RTP/SAVPF')
      + 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\n', [400, 406]],
    'nine thousand lines': [offer + 'a=x:y\r\n'.repeat(9000), [400, 201]],
    '1500 media': [offer + 'm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n'.repeat(1500), [400, 406]],
  };
  for (const [what, [sdp, statuses]] of Object.entries(cases)) {
    const response = await daemon.offer(`/whip/${what.replaceAll(' ', '-')}`, sdp);
    if (statuses.includes(response.status) && response.status === 201) continue;
    await refused(t, response, statuses, what);
  }
  await refused(t, await daemon.offer('/whip/other', 'v'.repeat(65537)), [413], 'an oversize body');
  await refused(t, await daemon.offer('/whip/other', offer, { 'Content-Type': 'text/plain' }), [415], 'another type');
  await refused(t, await daemon.fetch('/whip/other'), [405], 'GET');
  await refused(t, await daemon.offer('/agent/nobody', offer), [404], 'an unknown agent');
  await refused(t, await daemon.offer('/whip/no%20such%2Froom', offer), [400, 404], 'a name that is none');
  await refused(t, await daemon.offer(`/whip/${'x'.repeat(65)}`, offer), [400, 404], 'a name too long');
  t.equal((await daemon.text('/healthz')).length > 0, true, 'healthz answers');
  await call.goesOn();
});

scenario('only the right room token opens a room', async (t) => {
  const secret = t.file('room.secret', 'a room secret of fair length for this test\n');
  const other = t.file('other.secret', 'another secret of fair length for this test\n');
  const daemon = await t.daemon(['--room-secret', `@${secret}`]);
  const tab = await t.chromium();
  const open = (token) => tab.call('publish', daemon.at('/whip/hall'), { token });
  const attempt = (token) => open(token).then(() => 201, (error) => error.status);
  const barred = [401, 403];
  for (const [what, token] of [['no token', undefined], ['noise', 'v1.abc.def'],
    ['a token of another secret', await daemon.token(other, 'hall', '--allow', 'publish')],
    ['a token for another room', await daemon.token(secret, 'cellar', '--allow', 'publish')],
    ['a token to play', await daemon.token(secret, 'hall', '--allow', 'play')]]) {
    const status = await attempt(token);
    t.check(barred.includes(status), `${what} is refused: ${status}`);
  }
  const good = await daemon.token(secret, 'hall', '--allow', 'publish');
  const { location } = await tab.call('state', await open(good));
  t.check(barred.includes(await attempt(`${good.slice(0, -1)}${good.endsWith('A') ? 'B' : 'A'}`)), 'a changed token');
  const stranger = await fetch(location, { method: 'DELETE' });
  t.check(barred.includes(stranger.status), `DELETE without the token: ${stranger.status}`);
});

scenario('foreign hosts and origins stay outside', async (t) => {
  const daemon = await t.daemon();
  const call = await bystander(t, daemon);
  const { hostname, port } = new URL(daemon.url);
  const raw = (method, path, headers, body) => new Promise((resolve, reject) => {
    request({ hostname, port, method, path, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers }));
    }).on('error', reject).end(body);
  });
  const evil = { Origin: 'https://evil.example' };
  const sdp = { 'Content-Type': 'application/sdp' };
  t.equal((await raw('GET', '/v1/sessions', { Host: 'evil.example' })).status, 421, 'a rebound name');
  t.equal((await raw('GET', '/', { Host: 'evil.example' })).status, 421, 'a rebound name for the console');
  t.equal((await raw('GET', '/v1/sessions', evil)).status, 403, '/v1 from a foreign page');
  t.equal((await raw('POST', '/whip/x', { ...evil, ...sdp }, call.offer)).status, 403,
    'signalling from a foreign page');
  const near = await raw('OPTIONS', '/whip/x', { Origin: 'http://127.0.0.1:5555',
    'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'content-type' });
  t.check([200, 204].includes(near.status), `a preflight from loopback: ${near.status}`);
  t.check(near.headers['access-control-allow-origin'], 'a preflight from loopback is allowed');
  const own = await raw('GET', '/v1/sessions', {});
  t.equal([own.status, own.headers['access-control-allow-origin']], [200, undefined], '/v1 sends no CORS headers');
  await call.goesOn();
});

scenario('the admin token guards /v1 where it is set', async (t) => {
  const daemon = await t.daemon(['--admin-token', `@${t.file('admin.token', 'an admin token for this test alone\n')}`]);
  await refused(t, await daemon.fetch('/v1/sessions'), [401], 'no token');
  const response = await daemon.fetch('/v1/sessions', { headers: { Authorization: 'Bearer nonsense' } });
  await refused(t, response, [401, 403], 'a wrong token');
  daemon.headers.Authorization = 'Bearer an admin token for this test alone';
  t.equal(await daemon.sessions(), [], 'the right token');
});

/** Runs peers/attacker.py; returns how many packets it sent. */
async function attack(t, ...args) {
  const attacker = t.python('attacker', args.map(String));
  await attacker.child.exited;
  const sent = attacker.events.find(({ event }) => event === 'sent')?.packets;
  t.check(sent > 0, `the attacker sent something: ${attacker.child.lines.at(-1)}`);
  return sent;
}

const hostPort = (text) => [text.slice(0, text.lastIndexOf(':')), text.slice(text.lastIndexOf(':') + 1)];

scenario('a flood of STUN from many addresses is counted and hurts nobody', async (t) => {
  const daemon = await t.daemon();
  const call = await bystander(t, daemon);
  const before = await daemon.drops();
  const [, port] = hostPort(call.session.local);
  const sent = await attack(t, 'stun', '127.0.0.1', port, 2);
  await t.until(`most of ${sent} packets are counted as drops`, async () => await daemon.drops() - before > sent / 2);
  t.equal((await daemon.sessions()).length, 1, 'sessions');
  await call.goesOn();
});

scenario('packets of no session are counted by reason', async (t) => {
  const daemon = await t.daemon();
  const call = await bystander(t, daemon);
  const before = await daemon.drops();
  const [, port] = hostPort(call.session.local);
  const sent = await attack(t, 'junk', '127.0.0.1', port, 500);
  await t.until(`${sent} drops more`, async () => await daemon.drops() - before >= sent);
  await call.goesOn();
});

for (const [mode, text, reasons] of [
  ['forge', 'forged', ['srtp_auth']], ['replay', 'replayed', ['srtp_replay', 'srtp_old']]]) {
  scenario(`${text} SRTP from the client's own address is dropped and counted`, async (t) => {
    const daemon = await t.daemon(['--listen', '0.0.0.0:3478']); // the attacker forges IPv4 headers
    const call = await bystander(t, daemon);
    const { remote, local } = call.session;
    const before = await daemon.drops(...reasons);
    const sent = await attack(t, mode, ...hostPort(local), ...hostPort(remote), 100);
    await t.until(`${sent} more counted as ${reasons}`, async () => await daemon.drops(...reasons) - before >= sent);
    const { drops } = await daemon.session(call.session.id);
    t.check(reasons.some((reason) => drops[reason] > 0), `the session shows them: ${JSON.stringify(drops)}`);
    await call.goesOn();
  });
}

scenario('a certificate that is not the one offered never gets keys', async (t) => {
  const daemon = await t.daemon();
  const call = await bystander(t, daemon);
  const liar = await t.chromium();
  const id = await liar.call('agent', daemon.at('/agent/echo'), { lieAboutFingerprint: true });
  await t.until('the handshake failed', async () => (await daemon.json('/v1/engine')).handshakes.failed >= 1);
  await t.until('the session is over', async () => (await daemon.sessions()).length === 1);
  t.equal((await daemon.json('/v1/engine')).closed_by_reason.dtls, 1, 'closed for DTLS');
  t.equal(await liar.call('heard', id), [], 'what the liar heard');
  await call.goesOn();
});
