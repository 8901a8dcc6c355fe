// Elasticsearch's answers as the page needs them: plain numbers and rows.
// In: the answers to questions.js and the time. Out: an object for JSON. Nothing is rounded.

import contract from './contract.json' with { type: 'json' };
import { MINUTE, spanOf } from './view.js';


const buckets = (response, name) => response.aggregations?.[name]?.buckets ?? [];
const total = (response) => response.hits.total?.value ?? 0;
const sources = (response) => response.hits.hits.map((hit) => hit._source);
const counts = (list) => Object.fromEntries(list.map((each) => [each.key, each.doc_count]));

// The p-quantile of sorted numbers; one of them, so it is a delay that was measured.
export function quantile(sorted, p) {
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] : null;
}

export function answers(view, now, found, messages, timezone = 'UTC') {
  const { plays } = found;
  return {
    span: spanOf(view, now),
    everything: {
      plays: total(found.everything),
      lastPlayed: found.everything.aggregations?.played.value ?? null,
      lastStored: found.everything.aggregations?.stored.value ?? null,
    },
    plays: total(plays),
    listeners: plays.aggregations?.listeners.value ?? 0,
    minutes: minutes(view, now, buckets(plays, 'minutes')),
    device: counts(buckets(plays, 'device')),
    gender: counts(buckets(plays, 'gender')),
    ages: inOrder(contract.labels.ageBand, counts(buckets(plays, 'age_band'))),
    hours: inOrder([...Array(24).keys()], hoursOfDay(buckets(plays, 'hour'), timezone)),
    artists: buckets(plays, 'artists').map((b) => ({ artist: b.key, plays: b.doc_count })),
    tracks: buckets(plays, 'tracks').map((b) => {
      const [title] = b.title.buckets;
      const artist = title?.artist.buckets[0]?.key ?? '';
      return { id: b.key, title: title?.key ?? '', artist, plays: b.doc_count };
    }),
    states: buckets(found.states, 'state').map((b) => ({
      state: b.key,
      plays: b.doc_count,
      listeners: b.listeners.value,
    })),
    delay: delay(sources(found.delays)),
    interests: { count: total(found.interests), latest: sources(found.interests) },
    offers: { count: total(found.targets), latest: offers(found.targets, messages) },
    messages: { count: total(found.messages), status: counts(buckets(found.messages, 'status')) },
    model: model(found),
  };
}

// A row per step: its time, and plays per device. Only complete steps: the current one would
// look like a drop.
function minutes(view, now, list) {
  const { from, running, step } = spanOf(view, now);
  const known = new Map(list.map((b) => [b.key, counts(b.device.buckets)]));
  const rows = [];
  for (let at = from; at < running; at += step * MINUTE) {
    const found = known.get(at) ?? {};
    rows.push([at, ...contract.labels.device.map((device) => found[device] ?? 0)]);
  }
  return rows;
}

// Hours of the calendar in the zone → hours of the day: those of all days with the same name.
export function hoursOfDay(list, timezone) {
  const clock = new Intl.DateTimeFormat('en', { timeZone: timezone, hour: 'numeric', hourCycle: 'h23' });
  const hours = {};
  for (const { key, doc_count: plays } of list) {
    const hour = Number(clock.format(key));
    hours[hour] = (hours[hour] ?? 0) + plays;
  }
  return hours;
}

const inOrder = (labels, known) => labels.map((label) => [label, known[label] ?? 0]);

// Delays of the latest plays from Kafka to the index, and from the play to the index; ms.
function delay(rows) {
  const between = (from, to) =>
    rows.map((r) => Date.parse(r[to]) - Date.parse(r[from])).filter(Number.isFinite).sort((a, b) => a - b);
  const ofPipeline = between('arrived_at', 'processed_at');
  const ofPlay = between('played_at', 'processed_at');
  return {
    plays: rows.length,
    median: quantile(ofPipeline, 0.5),
    p95: quantile(ofPipeline, 0.95),
    sincePlay: quantile(ofPlay, 0.5),
  };
}

function offers(targets, messages) {
  const status = new Map(messages?.hits.hits.map((hit) => [hit._id, hit._source]));
  return sources(targets).map((each) => ({
    ...each,
    status: status.get(each.target_id)?.status ?? 'waiting',
    reason: status.get(each.target_id)?.reason ?? '',
  }));
}

function model({ inUse, newest }) {
  return { trained: total(newest), inUse: sources(inUse)[0] ?? null, newest: sources(newest)[0] ?? null };
}
