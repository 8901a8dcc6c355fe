// The server as a stranger meets it: hosts, methods, headers, files. Its stores are not there.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import test, { after, before } from 'node:test';

import { config } from '../server/config.js';
import { hostAllowed, onLoopback } from '../server/security.js';
import { server } from '../server/server.js';

const NOWHERE = {
  WORKSHOP_WEB_PORT: '0',
  WORKSHOP_ELASTICSEARCH_URL: 'http://127.0.0.1:1',
  WORKSHOP_REDIS_URL: 'redis://127.0.0.1:1/0',
  WORKSHOP_WEB_CLIENTS: '2',
};
let app;
let port;

before(async () => {
  const settings = config(NOWHERE);
  app = await server(settings);
  await app.listen({ host: settings.host, port: settings.port });
  ({ port } = app.server.address());
});
after(() => app.close());

// { status, headers, body }; of a stream, the body's first part
const get = (path, { method = 'GET', ...headers } = {}) => new Promise((resolve, reject) => {
  const asked = request({ host: '127.0.0.1', port, path, method, headers }, (answer) => {
    let body = '';
    const done = () => resolve({ status: answer.statusCode, headers: answer.headers, body, asked });
    answer.on('data', (data) => { body += data; if (body.includes('event: snapshot')) done(); });
    answer.on('end', done);
    answer.on('error', () => {});
  });
  asked.on('error', reject);
  asked.end();
});

// The server has noticed that all have left.
async function alone() {
  while (JSON.parse((await get('/health')).body).clients) ;
}

test('it listens on this machine only', () => {
  assert.equal(app.server.address().address, '127.0.0.1');
});

test('another name than its own is refused, whatever is asked', async () => {
  for (const host of ['evil.example', 'evil.example:80', '127.0.0.1.evil.example']) {
    for (const path of ['/', '/snapshot', '/events', '/nowhere']) {
      assert.equal((await get(path, { host })).status, 421, `${host} ${path}`);
    }
  }
  for (const host of ['localhost:1', '127.0.0.1', '[::1]:8080', 'LOCALHOST']) {
    assert.equal((await get('/health', { host })).status, 200, host);
  }
  assert.equal(hostAllowed('page.example:80', ['page.example:8080']), true);
});

test('it is only read', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    for (const path of ['/', '/snapshot', '/nowhere']) {
      const { status, headers } = await get(path, { method });
      assert.deepEqual([status, headers.allow], [405, 'GET, HEAD'], `${method} ${path}`);
    }
  }
  assert.equal((await get('/', { method: 'HEAD' })).status, 200);
});

test('every answer has a policy without inline scripts or styles', async () => {
  for (const path of ['/', '/lib/billboard.js', '/snapshot', '/events', '/nowhere', '/events?range=x']) {
    const { headers, asked } = await get(path);
    const policy = headers['content-security-policy'];
    assert.match(policy, /default-src 'none'/, path);
    assert.match(policy, /script-src 'self';/, path);
    assert.doesNotMatch(policy, /unsafe|http|\*/, path);
    assert.equal(headers['x-content-type-options'], 'nosniff', path);
    asked.destroy();
  }
});

test('no file but the page\'s own and the named libraries', async () => {
  for (const path of ['/../server/config.js', '/%2e%2e/server/config.js', '/..%2fpackage.json', '/lib/../../package.json', '/package.json', '/lib/react.js']) {
    assert.notEqual((await get(path)).status, 200, path);
  }
  for (const path of ['/', '/main.js', '/lib/d3-geo.js', '/lib/states.json']) {
    assert.equal((await get(path)).status, 200, path);
  }
});

test('stores that are away are in the snapshot, with no address of theirs', async () => {
  const { status, body } = await get('/snapshot?range=1h');
  const { redis, elasticsearch } = JSON.parse(body);
  assert.equal(status, 200);
  assert.deepEqual([redis.ok, redis.data, elasticsearch.ok, elasticsearch.data], [false, null, false, null]);
  assert.doesNotMatch(body, /127\.0\.0\.1/);
});

test('more clients than the cap are told to come later', async () => {
  await alone();
  const [first, second] = [await get('/events'), await get('/events')];
  assert.equal(first.headers['content-type'], 'text/event-stream; charset=utf-8');
  const third = await get('/events');
  assert.deepEqual([third.status, third.headers['retry-after']], [503, '10']);
  first.asked.destroy();
  second.asked.destroy();
});

test('a HEAD of the events is an answer and holds no slot', async () => {
  await alone();
  for (let n = 0; n < 5; n += 1) {
    const { status, headers } = await get('/events?range=1h', { method: 'HEAD' });
    assert.deepEqual([status, headers['content-type']], [200, 'text/event-stream; charset=utf-8']);
  }
  assert.equal((await get('/events?range=x', { method: 'HEAD' })).status, 400);
  assert.deepEqual(JSON.parse((await get('/health')).body), { ok: true, clients: 0, views: 0 });
  const one = await get('/events');
  assert.equal(one.status, 200);
  one.asked.destroy();
});

test('metrics are for this machine, and say so when Redis is away', async () => {
  assert.deepEqual(['127.0.0.1', '::1', '::ffff:127.0.0.1'].map(onLoopback), [true, true, true]);
  assert.deepEqual(['10.0.0.1', '::ffff:10.0.0.1', '::2', '127.0.0.1.evil'].map(onLoopback), [false, false, false, false]);
  assert.equal((await get('/metrics')).status, 503);
});

test('a page that comes back may say what it saw last, in the header or in the address', async () => {
  await alone();
  const first = await get('/events?range=6h');
  const id = /^id: (.+)$/m.exec(first.body)[1];
  const unchanged = new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path: `/events?range=6h&last=${id}` }, (answer) => {
      let body = '';
      answer.on('data', (data) => {
        body += data;
        if (body.includes('event: ')) resolve({ body, asked });
      });
      answer.on('error', () => {});
    });
    asked.end();
  });
  const { body, asked } = await unchanged;
  assert.doesNotMatch(body, new RegExp(id)); // not that one again
  asked.destroy();
  first.asked.destroy();
});

test('a number that is none is said so at the start', () => {
  assert.throws(() => config({ WORKSHOP_WEB_PORT: 'x' }), /WORKSHOP_WEB_PORT='x' is wrong; allowed is a number/);
});
