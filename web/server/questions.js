// What Elasticsearch is asked for one view: one multi-search, and one look at messages.
// In: a view and the time. Out: bodies. The embedded server has no scripts and no pipeline
// aggregations, so everything here is terms, dates and filters.

import contract from './contract.json' with { type: 'json' };
import { spanOf } from './view.js';

const { indices } = contract;

export const TOP = 10;
export const LATEST = 12;
// So many of the latest plays tell the delay.
const DELAYS = 200;
const ALL_LABELS = 100;

const most = (field, size, more = {}) => ({
  terms: { field, size, order: [{ _count: 'desc' }, { _key: 'asc' }] },
  ...more,
});

const only = (field) => ({ terms: { field, size: 1 } });

const listeners = { cardinality: { field: 'customer_id', precision_threshold: 40_000 } };

// The view's conditions on a table that has these fields, times in the field named `when`.
function where(view, now, when, fields) {
  const { from, to } = spanOf(view, now);
  const iso = (ms) => new Date(ms).toISOString();
  return {
    bool: {
      filter: [
        { range: { [when]: { gte: iso(from), lt: iso(to) } } },
        ...fields.filter((f) => view[f]).map((f) => ({ term: { [f]: view[f] } })),
      ],
    },
  };
}

const LISTENER = ['gender', 'level', 'state'];

// Name → [index, body]; the names are those of the answers.
export function questions(view, now) {
  const { step } = spanOf(view, now);
  return {
    plays: [indices.plays, {
      size: 0,
      track_total_hits: true,
      query: where(view, now, 'played_at', ['device', ...LISTENER]),
      aggs: {
        listeners,
        minutes: {
          date_histogram: { field: 'played_at', fixed_interval: `${step}m`, min_doc_count: 1 },
          aggs: { device: most('device', 5) },
        },
        device: most('device', 5),
        gender: most('gender', 5),
        age_band: most('age_band', 10),
        hour: most('hour', 24),
        artists: most('artist', TOP),
        tracks: most('track_id', TOP, { aggs: { title: only('title'), artist: only('artist') } }),
      },
    }],
    // The map shows every state, the chosen one among them.
    states: [indices.plays, {
      size: 0,
      query: where(view, now, 'played_at', ['device', 'gender', 'level']),
      aggs: { state: most('state', ALL_LABELS, { aggs: { listeners } }) },
    }],
    all: [indices.plays, {
      size: 0,
      track_total_hits: true,
      aggs: { played: { max: { field: 'played_at' } }, stored: { max: { field: 'processed_at' } } },
    }],
    delays: [indices.plays, {
      size: DELAYS,
      sort: [{ processed_at: 'desc' }],
      _source: ['played_at', 'arrived_at', 'processed_at'],
    }],
    interests: [indices.interests, {
      size: LATEST,
      track_total_hits: true,
      query: where(view, now, 'interested_at', LISTENER),
      sort: [{ interested_at: 'desc' }, { event_id: 'desc' }],
      _source: ['customer_id', 'interested_at', 'title', 'artist', 'level', 'state'],
    }],
    targets: [indices.targets, {
      size: LATEST,
      track_total_hits: true,
      query: where(view, now, 'played_at', LISTENER),
      sort: [{ played_at: 'desc' }, { event_id: 'desc' }],
      _source: ['target_id', 'customer_id', 'played_at', 'campaign', 'score', 'level', 'state'],
    }],
    messages: [indices.sms, { size: 0, track_total_hits: true, aggs: { status: most('status', 10) } }],
    inUse: [indices.models, { size: 1, query: { term: { current: true } } }],
    newest: [indices.models, { size: 1, track_total_hits: true, sort: [{ trained_at: 'desc' }] }],
  };
}

// The messages of these offers: a message's id is its offer's.
export const messagesOf = (targetIds) => [
  indices.sms,
  { size: targetIds.length, query: { ids: { values: targetIds } }, _source: ['status', 'reason'] },
];
