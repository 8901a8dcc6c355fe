// Prometheus text: one sample per stream and measure, nothing for what is not known.

import assert from 'node:assert/strict';
import test from 'node:test';

import { metrics } from '../server/metrics.js';

const NOW = Date.parse('2026-01-31T12:00:20Z');
const plays = {
  query: 'plays', running: true, failed: null, at: '2026-01-31T12:00:19Z', lag: 7, input_rows: 1000,
  dead_lettered: 2, dropped_by_watermark: 1, rows_per_second: 812.5, batch_seconds: 1.5,
  state_rows: 40, watermark_seconds: 600.5,
};
const data = (...streams) => ({ streams, deadLetters: 3, outbox: { waiting: 4, dead: 5 } });

test('every measure has its help, its type and a sample', () => {
  const text = metrics(data(plays), NOW);
  for (const [name, value] of Object.entries({
    stream_up: 1, stream_lag_records: 7, stream_input_rows_total: 1000, stream_dead_letters_total: 2,
    stream_late_rows_total: 1, stream_rows_per_second: 812.5, stream_batch_seconds: 1.5,
    stream_state_rows: 40, stream_watermark_seconds: 600.5,
  })) {
    assert.match(text, new RegExp(`^# HELP workshop_${name} .+\\.$`, 'm'));
    assert.match(text, new RegExp(`^# TYPE workshop_${name} (gauge|counter)$`, 'm'));
    assert.match(text, new RegExp(`^workshop_${name}\\{query="plays"\\} ${value}$`, 'm'));
  }
  assert.match(text, /^workshop_dead_letters 3\n/m);
  assert.match(text, /^workshop_outbox_waiting 4\n/m);
  assert.match(text, /^workshop_sms_dead 5\n$/m);
});

test('a stream that failed, stopped or is silent is not up', () => {
  const up = (change) => /stream_up\{query="plays"\} (\d)/.exec(metrics(data({ ...plays, ...change }), NOW))[1];
  assert.equal(up({}), '1');
  assert.equal(up({ failed: 'no memory' }), '0');
  assert.equal(up({ running: false }), '0');
  assert.equal(up({ at: '2026-01-31T12:00:00Z' }), '0');
});

test('what is not known has no sample, and names are escaped', () => {
  const text = metrics(data({ ...plays, query: 'a"b\\', watermark_seconds: null, state_rows: undefined }), NOW);
  assert.doesNotMatch(text, /watermark_seconds|state_rows|null|NaN|undefined/);
  assert.match(text, /query="a\\"b\\\\"/);
  assert.doesNotMatch(metrics(data(), NOW), /stream/);
});
