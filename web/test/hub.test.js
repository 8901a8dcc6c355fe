// The hub: one reading for all of a view, newest only, caps, and nothing left behind.

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import test from 'node:test';

import { Hub } from '../server/hub.js';
import { EventStream, format } from '../server/sse.js';

const LIMITS = { everyMs: 1, maxClients: 3, maxViews: 2 };
const store = (data, at) => ({ ok: true, at, downSince: null, why: '', data });

// A reader whose answer is what `now.data` says, and who counts.
function reader() {
  const now = { data: 1, reads: 0, forgotten: [] };
  now.take = async (name, view) => {
    now.reads += 1;
    now.read?.();
    return { view, redis: store(now.data, now.reads), elasticsearch: store(null, now.reads) };
  };
  now.forget = (name) => now.forgotten.push(name);
  return now;
}

// A client that keeps what it hears and can be waited on.
class Client extends EventEmitter {
  heard = [];
  send(message) {
    this.heard.push(message);
    this.emit('message', message);
  }
  end() {
    this.ended = true;
  }
}

const snapshotsOf = (client) => client.heard.filter(({ event }) => event === 'snapshot');

test('a change is sent once, then only that it holds still', async () => {
  const source = reader();
  const hub = new Hub(source, LIMITS);
  const client = new Client();
  hub.join('a', { range: '1h' }, client);
  while (client.heard.length < 4) await once(client, 'message');
  assert.equal(snapshotsOf(client).length, 1);
  assert.deepEqual(client.heard.slice(1, 4).map(({ event, id }) => [event, id]), Array(3).fill(['same', undefined]));
  assert.equal(JSON.parse(client.heard[1].data).redis, 2);
  source.data = 2;
  while (snapshotsOf(client).length < 2) await once(client, 'message');
  assert.equal(JSON.parse(snapshotsOf(client)[1].data).redis.data, 2);
  hub.close();
});

test('clients of a view share its reading, another view has its own', async () => {
  const source = reader();
  const hub = new Hub(source, { ...LIMITS, everyMs: 60_000 });
  const [first, second, other] = [new Client(), new Client(), new Client()];
  hub.join('a', {}, first);
  await once(first, 'message');
  hub.join('a', {}, second);
  assert.deepEqual(second.heard, first.heard); // at once, without a reading
  assert.equal(source.reads, 1);
  hub.join('b', {}, other);
  await once(other, 'message');
  assert.equal(source.reads, 2);
  hub.close();
});

test('who comes back with the id of the newest snapshot is not sent it again', async () => {
  const hub = new Hub(reader(), { ...LIMITS, everyMs: 60_000 });
  const client = new Client();
  hub.join('a', {}, client);
  const [{ id }] = await once(client, 'message');
  const [same, older] = [new Client(), new Client()];
  hub.join('a', {}, same, id);
  hub.join('a', {}, older, `${id}0`);
  assert.deepEqual([same.heard.length, older.heard.length], [0, 1]);
  hub.close();
});

test('ids of another process are not mistaken for its own', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1 });
  const before = new Hub(reader(), { ...LIMITS, everyMs: 60_000 });
  const client = new Client();
  before.join('a', {}, client);
  const [{ id }] = await once(client, 'message');
  t.mock.timers.tick(5000);
  const after = new Hub(reader(), { ...LIMITS, everyMs: 60_000 });
  const back = new Client();
  after.join('a', {}, back, id);
  const [message] = await once(back, 'message');
  assert.notEqual(message.id, id);
  before.close();
  after.close();
});

test('clients and views are capped, and room is made again', () => {
  const hub = new Hub(reader(), { ...LIMITS, everyMs: 60_000 });
  const [a, b, c] = [new Client(), new Client(), new Client()];
  hub.join('a', {}, a);
  assert.equal(hub.isFull('b'), false);
  hub.join('b', {}, b);
  assert.deepEqual([hub.isFull('c'), hub.isFull('a')], [true, false]);
  hub.join('a', {}, c);
  assert.equal(hub.isFull('a'), true);
  hub.leave('b', b);
  hub.leave('b', b); // twice is once
  assert.deepEqual([hub.isFull('c'), hub.clients, hub.views], [false, 2, 1]);
  hub.close();
});

test('a view without clients is read no more and forgotten', async () => {
  const source = reader();
  const hub = new Hub(source, LIMITS);
  const client = new Client();
  hub.join('a', {}, client);
  await once(client, 'message');
  const read = new Promise((resolve) => { source.read = resolve; });
  await read; // a reading is under way
  hub.leave('a', client);
  const { reads } = source;
  await new Promise((resolve) => { setTimeout(resolve, 20); });
  assert.equal(source.reads, reads);
  assert.deepEqual(source.forgotten, ['a']);
});

// A response whose buffer is full whenever `full` says so.
class Out extends EventEmitter {
  written = [];
  full = false;
  writeHead() {}
  write(text) {
    this.written.push(text);
    return !this.full;
  }
  end() {}
}

test('a slow client gets the newest snapshot, not all it missed', () => {
  const out = new Out();
  const client = new EventStream(out, 60_000);
  out.full = true;
  const snapshot = (n) => ({ id: `x-${n}`, event: 'snapshot', data: String(n) });
  for (const n of [1, 2, 3, 4]) client.send(snapshot(n));
  client.send({ event: 'same', data: '{}' });
  assert.equal(out.written.at(-1), format(snapshot(1)));
  out.full = false;
  out.emit('drain');
  assert.deepEqual(out.written.slice(-2), [format(snapshot(1)), format(snapshot(4))]);
  client.send(snapshot(5));
  assert.equal(out.written.at(-1), format(snapshot(5)));
  client.stop();
});

test('something is heard even when nothing is read', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const out = new Out();
  const client = new EventStream(out, 5000);
  t.mock.timers.tick(10_000);
  assert.equal(out.written.filter((text) => text.startsWith('event: beat\n')).length, 2);
  client.stop();
});
