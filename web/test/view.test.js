// Views: what may be asked for, and which time it is about.

import assert from 'node:assert/strict';
import test from 'node:test';

import { MINUTE, nameOf, parseView, spanOf } from '../server/view.js';

const NOON = Date.UTC(2026, 0, 31, 12);

test('an empty query is the whole day of everyone', () => {
  assert.deepEqual(parseView({}), { range: '24h', device: '', gender: '', level: '', state: '' });
});

test('what is no choice is refused, whatever it is', () => {
  const wrong = [
    { range: '2h' }, { device: 'PC' }, { state: 'California' }, { state: 'ca' }, { other: '1' },
    { __proto__: null, range: ['1h', '6h'] }, { state: ['CA'], device: ['pc'] }, { constructor: 'x' },
    { gender: '{"match_all":{}}' },
  ];
  for (const query of wrong) assert.throws(() => parseView(query), { statusCode: 400 }, JSON.stringify(query));
});

test('equal views have equal names, others have others', () => {
  const name = (query) => nameOf(parseView(query));
  assert.equal(name({ device: 'pc', range: '24h' }), name({ device: 'pc' }));
  const all = [{}, { device: 'pc' }, { device: 'mobile' }, { device: 'unknown' }, { state: 'CA' }, { state: 'unknown' }, { gender: 'unknown' }, { range: '1h' }];
  assert.equal(new Set(all.map(name)).size, all.length);
});

test('a span ends with the running step and is the same all through it', () => {
  const view = parseView({ range: '6h' });
  const span = spanOf(view, NOON + 4 * MINUTE + 59_999);
  assert.deepEqual(span, { from: NOON - 360 * MINUTE, running: NOON, to: NOON + 5 * MINUTE, step: 5 });
  assert.deepEqual(spanOf(view, NOON), span);
  assert.equal(spanOf(view, NOON + 5 * MINUTE).running, NOON + 5 * MINUTE);
});
