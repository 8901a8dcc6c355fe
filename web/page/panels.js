// Everything that is not a chart: tiles, feed of interests, offers, model, streams.
// In: the two stores' parts of a snapshot. Out: text in the page.

import { $, changed, el, say, set, table } from './dom.js';
import { count, dayTime, decimal, hourMinute, label, percent, plural, span } from './words.js';

const NUMBER = 'number';
const placeOf = (state) => (state === 'unknown' ? 'place unknown' : state);

export function showNow(redis) {
  const last = redis.minutes.at(-2)[1]; // the current minute is not complete yet
  say($('now'), count(last));
  const most = Math.max(1, ...redis.minutes.map(([, n]) => n));
  if (!changed('spark', redis.minutes)) return;
  const line = redis.minutes.map(([, n], x) => `${x} ${(19.5 - (18.5 * n) / most).toFixed(2)}`);
  set($('spark').firstElementChild, 'd', `M${line.join('L')}`);
  set($('spark'), 'aria-label', `Plays in each of the last 60 minutes, at most ${count(most)}`);
}

export function showTiles(data) {
  say($('plays'), count(data.plays));
  say($('plays-note'), data.everything.plays ? `of ${count(data.everything.plays)} stored` : '');
  say($('listeners'), count(data.listeners));
  say($('listeners-note'), data.listeners ? `${decimal(data.plays / data.listeners)} plays each` : '');
  say($('interests'), count(data.interests.count));
  say($('offers'), count(data.offers.count));
  const { sent = 0 } = data.messages.status;
  say($('offers-note'), `${plural(sent, 'message')} sent in all`);
  const { median, p95, plays } = data.delay;
  say($('delay'), median === null ? '–' : span(median));
  say($('delay-note'), median === null ? '' : `median; 95 % within ${span(p95)}, latest ${plays}`);
}

export function showGender({ gender, plays }) {
  const shares = Object.entries(gender).map(([name, n]) => [name, percent(n, plays)]);
  if (!changed('gender', shares)) return;
  const keys = shares.map(([name, share]) => el('span', { class: `share ${name}` }, `${name} ${share}`));
  $('gender-keys').replaceChildren(...keys);
}

export function showInterests({ interests }, view) {
  say($('interests-note'), view.device ? 'of all devices' : `${count(interests.count)} in this view`);
  if (!changed('interests', interests.latest)) return;
  const known = new Map([...$('interests-list').children].map((node) => [node.dataset.key, node]));
  const rows = interests.latest.slice(0, 8).map((each) => {
    const key = `${each.customer_id} ${each.interested_at} ${each.title}`;
    const there = known.get(key);
    if (there) return there;
    const row = el('li', { 'data-key': key },
      el('span', { class: 'when' }, hourMinute(Date.parse(each.interested_at))),
      el('span', { class: 'what' }, el('b', {}, label(each.title, 40)), ` ${label(each.artist, 30)}`),
      el('span', { class: 'who' }, `listener ${each.customer_id}, ${each.level}, ${placeOf(each.state)}`));
    if (known.size) row.classList.add('new');
    return row;
  });
  if (rows.length) $('interests-list').replaceChildren(...rows);
  else $('interests-list').replaceChildren(el('li', { class: 'none' }, 'None in this view yet.'));
}

// A word and a sign, not only a colour.
const SIGNS = { sent: '✓', waiting: '…', suppressed: '–', failed: '↻', dead: '✕' };
const status = (name, why) => {
  const badge = el('span', { class: 'badge', 'data-status': name }, `${SIGNS[name] ?? '?'} ${name}`);
  if (why) badge.title = why;
  return badge;
};

export function showOffers({ offers, messages }) {
  if (!changed('offers', [offers, messages])) return;
  const parts = Object.entries(messages.status).map(([name, n]) => `${count(n)} ${name}`);
  say($('messages-note'), parts.length ? `messages: ${parts.join(', ')}` : 'no message yet');
  const rows = offers.latest.slice(0, 7).map((each) => [
    hourMinute(Date.parse(each.played_at)),
    `listener ${each.customer_id}`,
    each.level,
    placeOf(each.state),
    each.campaign,
    each.score.toFixed(2),
    status(each.status, each.reason),
  ]);
  const heads = ['Play', 'Who', 'Level', 'State', 'Offer', ['Score', NUMBER], 'Message'];
  const none = el('p', { class: 'none' }, 'No offer in this view yet.');
  $('offers-table').replaceChildren(rows.length ? table('Latest offers', heads, rows) : none);
}

const verdict = (model) =>
  el('p', { class: 'verdict', 'data-ok': String(model.accepted) },
    model.accepted ? '✓ Accepted by the gate' : '✕ Refused by the gate');

export function showModel({ model }) {
  if (!changed('model', model)) return;
  const { inUse, newest, trained } = model;
  say($('model-note'), trained ? `${plural(trained, 'version')} trained` : '');
  if (!newest) {
    $('model').replaceChildren(el('p', { class: 'none' }, 'No model yet: start workshop train.'));
    return;
  }
  const parts = [];
  if (inUse) {
    const row = (name, text) => [el('dt', {}, name), el('dd', {}, text)];
    parts.push(
      el('p', { class: 'version' }, 'In use: ', el('b', {}, inUse.version)),
      verdict(inUse),
      el('dl', {},
        ...row('Trained', dayTime(Date.parse(inUse.trained_at))),
        ...row('Error', percent(inUse.error, 1)),
        ...row('Precision', percent(inUse.precision, 1)),
        ...row('Recall', percent(inUse.recall, 1)),
        ...row('Lift', `${decimal(inUse.lift)} ×`)),
    );
  } else {
    parts.push(el('p', {}, 'No model is in use, so no offers are made.'));
  }
  if (newest.version !== inUse?.version) {
    parts.push(el('p', {}, `Newest: ${newest.version}`), verdict(newest),
      el('p', { class: 'note' }, [newest.reasons ?? []].flat().join('; ')));
  }
  $('model').replaceChildren(...parts);
}

const SILENT_MS = 15_000;
const PIPELINE = ['Lag', 'Rows/s', 'Watermark behind', 'State rows', 'Batch', 'Read', 'Dead letters', 'Too late'];

// `now` is the server's clock, which also made `at`.
export function showStreams(redis, now) {
  const rows = redis.streams.map((each) => {
    const silent = now - Date.parse(each.at) > SILENT_MS;
    const state = each.failed ? 'failed' : !each.running ? 'stopped' : silent ? 'silent' : 'running';
    const since = state === 'running' ? state : `${state} ${hourMinute(Date.parse(each.at))}`;
    const known = (value, write = count) => (value == null ? '–' : write(value));
    return [
      each.query,
      count(each.lag),
      known(each.rows_per_second, (n) => count(Math.round(n))),
      known(each.watermark_seconds, (s) => span(1000 * s)),
      known(each.state_rows),
      known(each.batch_seconds, (s) => span(1000 * s)),
      count(each.input_rows ?? 0),
      known(each.dead_lettered),
      known(each.dropped_by_watermark),
      since,
    ];
  });
  if (changed('streams', rows)) {
    const none = el('p', { class: 'none' }, 'No stream yet: start workshop stream.');
    $('streams').replaceChildren(rows.length
      ? table('Streams', ['Stream', ...PIPELINE.map((head) => [head, NUMBER]), 'Status'], rows)
      : none);
  }
  const { deadLetters, outbox: { waiting, dead } } = redis;
  say($('outbox'), `Outbox: ${count(waiting)} waiting, ${plural(dead, 'dead letter')}. `
    + `Kafka: ${plural(deadLetters, 'dead letter')}.`);
}
