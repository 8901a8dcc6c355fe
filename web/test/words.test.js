// What the page says, and how it draws what it is told; none of it needs a browser.

import assert from 'node:assert/strict';
import test from 'node:test';

import { ticks } from '../page/charts.js';
import { shadeLimits, shadeOf } from '../page/map.js';
import { NAME_OF_CODE, stateName } from '../page/states.js';
import {
  age, clock, dayTime, downWords, emptyWords, escape, fine, hourMinute, label, offset, setTimezone, span,
  statusWords, summaryWords, timezone,
} from '../page/words.js';

const SMALL = { plays: 10, listeners: 1, hours: [[0, 10]], tracks: [], states: [] };

test('what is unknown is called by what it is, and is no PC', () => {
  const view = { range: '1h', device: 'unknown', gender: 'unknown', level: 'unknown', state: 'unknown' };
  assert.equal(summaryWords({ ...SMALL, device: { unknown: 10 } }, view, stateName),
    'Last hour (device unknown, gender unknown, level unknown, in an unknown place): 10 plays by 1 listener. Busiest hour 00:00.');
  const half = summaryWords({ ...SMALL, device: { mobile: 3, pc: 3, unknown: 4 } }, { range: '1h' }, stateName);
  assert.match(half, /: 10 plays by 1 listener\. 50\.0 % of the plays whose device is known on mobile;/);
});

test('a rate far below one keeps two digits', () => {
  assert.deepEqual([0, 0.0667, 0.05, 1.26, 15].map(fine), ['0', '0.067', '0.05', '1.3', '15']);
});

const NOON = Date.UTC(2026, 0, 31, 12);

test('the status says what the figures are worth', () => {
  const at = (state, more) => statusWords({ state, heard: NOON, now: NOON + 42_000, paused: false, ...more });
  assert.equal(at('connecting'), 'Connecting …');
  assert.equal(at('live', { heard: NOON + 41_000 }), 'Live, updated just now');
  assert.equal(at('live'), 'Live, updated 42 s ago');
  assert.equal(at('reconnecting'), 'Reconnecting: figures from 12:00:00 (42 s ago)');
  assert.equal(at('stale'), 'Stale since 12:00:00 (42 s ago), trying again');
  assert.equal(at('stale', { heard: 0 }), 'No connection yet, trying again');
  assert.equal(at('live', { paused: true, pausedAt: NOON }), 'Paused: figures from 12:00:00');
});

test('a store that is away is named, with since when and what that means', () => {
  const words = downWords('redis', { downSince: NOON, why: 'ECONNREFUSED', at: NOON - 2000 });
  assert.match(words, /^Redis has not answered since 12:00:00 \(ECONNREFUSED\): .* are from 11:59:58\./);
  assert.match(downWords('elasticsearch', { downSince: NOON, why: 'x', at: null }), /^Elasticsearch .* cannot be shown/);
});

test('nothing yet and nothing here are two different things', () => {
  const data = (all, plays) => ({ everything: { plays: all, lastPlayed: NOON }, plays });
  assert.match(emptyWords(data(0, 0), { range: '1h' }), /No plays yet: start workshop replay/);
  assert.match(emptyWords(data(5, 0), { range: '1h' }), /in the last hour; the newest .* 2026-01-31 12:00/);
  assert.equal(emptyWords(data(5, 1), { range: '1h' }), '');
  assert.equal(emptyWords(null, { range: '1h' }), '');
});

test('the summary has the view and the first of each chart', () => {
  const data = {
    plays: 1234, listeners: 1, device: { mobile: 617 }, hours: [[0, 3], [19, 9], [20, 9]],
    tracks: [{ title: 'T', artist: 'A', plays: 7 }],
    states: [{ state: 'unknown', plays: 99 }, { state: 'NY', plays: 98 }],
  };
  const view = { range: '6h', device: '', gender: 'female', level: 'Gold', state: '' };
  assert.equal(summaryWords(data, view, stateName),
    'Last 6 hours (female, Gold): 1,234 plays by 1 listener. 50.0 % on mobile; busiest hour 19:00. ' +
    'Most played: T by A (7). Most plays from New York (98).');
});

test('names are made harmless, short and never empty', () => {
  assert.equal(escape(`<a href="x" id='y'>&amp;`), '&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;');
  assert.equal(label(' two\n\tlines '), 'two lines');
  assert.equal(label(''), '(no title)');
  assert.equal(label('🎵'.repeat(30), 5), '🎵🎵🎵🎵…');
});

test('times in a unit that fits', () => {
  assert.deepEqual([12, 1500, 59_900, 240_000, 7_260_000].map(span), ['12 ms', '1.5 s', '59.9 s', '4 min', '2 h 1 min']);
  assert.deepEqual([200, 2400, 61_000].map(age), ['just now', '2 s ago', '1 min ago']);
});

test('ticks of the time axis are round and few', () => {
  const hours = ticks(NOON - 24 * 3_600_000 + 60_000, NOON, 8);
  assert.equal(hours.length, 8);
  assert.ok(hours.every((at) => at % (3 * 3_600_000) === 0));
  assert.deepEqual(ticks(NOON, NOON, 4), [NOON]);
});

test('shades hold about as many states each, and one value is one shade', () => {
  const limits = shadeLimits([1, 2, 3, 4, 5, 6, 7, 8, 9, 1000]);
  const shades = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1000].map((n) => shadeOf(limits, n));
  assert.deepEqual(shades, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
  assert.deepEqual(shadeLimits([4, 4, 4]), []);
  assert.deepEqual(shadeLimits([]), []);
});

test('51 states, and a name for any code', () => {
  assert.equal(Object.keys(NAME_OF_CODE).length, 51);
  assert.deepEqual([stateName('DC'), stateName('PR'), stateName('unknown')], ['District of Columbia', 'PR', 'an unknown place']);
});

test('times are by the clocks of the zone that the server names', () => {
  setTimezone('Asia/Seoul');
  assert.equal(dayTime(NOON), '2026-01-31 21:00');
  assert.equal(offset(NOON), 9 * 3_600_000);
  setTimezone('America/New_York');
  assert.deepEqual([hourMinute(NOON), clock(NOON), timezone()], ['07:00', '07:00:00', 'America/New_York']);
  setTimezone('UTC');
  assert.equal(hourMinute(NOON), '12:00');
});
