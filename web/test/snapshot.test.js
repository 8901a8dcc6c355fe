// A snapshot: each store with its own fate, and what is not whole is not passed off as it.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import test from 'node:test';

import { hoursOfDay, quantile } from '../server/answers.js';
import { elasticsearch } from '../server/elasticsearch.js';
import { counter, lastMinutes } from '../server/redis.js';
import { snapshots } from '../server/snapshot.js';
import { parseView } from '../server/view.js';

const NOTHING = { hits: { total: { value: 0 }, hits: [] } };
const empty = async (named) => Object.fromEntries(Object.keys(named).map((name) => [name, NOTHING]));

test('a store that is away keeps its last words and since when; the other is not held up', async () => {
  let now = 1000;
  let fault = null;
  const redis = async () => { if (fault) throw fault; return { word: now }; };
  const { take } = snapshots(empty, redis, () => now);
  const view = parseView({});
  assert.deepEqual((await take('a', view)).redis, { ok: true, at: 1000, downSince: null, why: '', data: { word: 1000 } });
  fault = Object.assign(new Error('connect to 10.0.0.1'), { code: 'ECONNREFUSED' });
  for (now of [2000, 3000]) {
    const { redis: state, elasticsearch: other } = await take('a', view);
    assert.deepEqual(state, { ok: false, at: 1000, downSince: 2000, why: 'ECONNREFUSED', data: { word: 1000 } });
    assert.deepEqual([other.ok, other.at], [true, now]);
  }
  fault = null;
  now = 4000;
  const { redis: back } = await take('a', view);
  assert.deepEqual([back.ok, back.downSince, back.data.word], [true, null, 4000]);
});

test('an empty store is answered with zeros, not with gaps', async () => {
  const { take } = snapshots(empty, async () => ({}), () => Date.UTC(2026, 0, 31, 12));
  const { data } = (await take('a', parseView({ range: '1h' }))).elasticsearch;
  assert.deepEqual([data.plays, data.minutes.length, data.hours.length, data.model.inUse], [0, 60, 24, null]);
  assert.deepEqual(data.delay, { plays: 0, median: null, p95: null, sincePlay: null });
});

test('a part of the shards is an error, not a smaller number', async () => {
  for (const response of [
    { ...NOTHING, _shards: { failed: 1 } },
    { ...NOTHING, _shards: { failed: 0 }, timed_out: true },
    { error: { reason: 'no' } },
  ]) {
    const answering = createServer((_, answer) => answer.end(JSON.stringify({ responses: [response] })));
    await new Promise((resolve) => { answering.listen(0, '127.0.0.1', resolve); });
    const url = `http://127.0.0.1:${answering.address().port}`;
    const ask = elasticsearch({ elasticsearch: url, apiKey: '', namespace: '', timeoutMs: 5000 });
    await assert.rejects(ask({ plays: ['plays', {}] }), /plays: /);
    answering.close();
  }
});

test('the key and the namespace are sent; a store that says nothing is given up', async () => {
  let seen = null;
  const silent = createServer((request) => {
    request.on('data', (data) => { seen = { key: request.headers.authorization, body: String(data) }; });
  });
  await new Promise((resolve) => { silent.listen(0, '127.0.0.1', resolve); });
  const url = `http://127.0.0.1:${silent.address().port}`;
  const ask = elasticsearch({ elasticsearch: url, apiKey: 'secret', namespace: 'ours-', timeoutMs: 300 });
  await assert.rejects(ask({ plays: ['plays', {}] }), { name: 'TimeoutError' });
  assert.equal(seen.key, 'ApiKey secret');
  assert.equal(JSON.parse(seen.body.split('\n')[0]).index, 'ours-plays');
  silent.closeAllConnections();
  silent.close();
});

test('quantiles are of what was there', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1);
  assert.deepEqual([quantile(hundred, 0.5), quantile(hundred, 0.95), quantile([7], 0.95), quantile([], 0.5)], [51, 96, 7, null]);
});

test('the minutes of an hour, named as the stream names them', () => {
  const minutes = lastMinutes(Date.UTC(2026, 0, 31, 12, 0, 30));
  assert.deepEqual([minutes.length, counter(minutes[0]), counter(minutes.at(-1))],
    [60, 'live:2026-01-31T11:01Z', 'live:2026-01-31T12:00Z']);
});

test('hours of the day are those of the zone, over a change to winter time', () => {
  const HOUR = 3_600_000;
  const midnight = Date.UTC(2026, 10, 1, 4); // in New York; clocks go back at 06:00 UTC
  const list = Array.from({ length: 25 }, (_, n) => ({ key: midnight + n * HOUR, doc_count: 1 }));
  const hours = hoursOfDay(list, 'America/New_York');
  assert.equal(hours[1], 2);
  assert.equal(Object.values(hours).reduce((a, b) => a + b), 25);
  assert.deepEqual(hoursOfDay([{ key: midnight, doc_count: 3 }], 'Asia/Kathmandu'), { 9: 3 });
  assert.deepEqual(hoursOfDay([{ key: Date.UTC(2026, 0, 1, 15), doc_count: 1 }], 'Asia/Seoul'), { 0: 1 });
});
