// What Elasticsearch is asked for one view: one multi-search, and one look at messages.
// In: a view, the time and requests.json, which is made from the catalogue of charts
// (workshop_lib/charts). Out: [index, body] for each request.

import contract from './contract.json' with { type: 'json' };
import requests from './requests.json' with { type: 'json' };
import { spanOf } from './view.js';

// Name → [index, body]; the names are those of the answers.
export function questions(view, now, timezone = 'UTC') {
  return Object.fromEntries(Object.entries(requests).map(([name, request]) =>
    [name, [request.index, request.filters ? narrowed(request, view, now, timezone) : request.body]]));
}

// The request's body, for the view's time range and filters.
function narrowed({ time, filters, body }, view, now, timezone) {
  const { from, to, step } = spanOf(view, now);
  const iso = (ms) => new Date(ms).toISOString();
  const chosen = filters.filter((field) => view[field]);
  const { minutes, hour } = body.aggs ?? {};
  return {
    ...body,
    ...(minutes && {
      aggs: {
        ...body.aggs,
        minutes: histogram(minutes, { fixed_interval: `${step}m` }),
        hour: histogram(hour, { time_zone: timezone }),
      },
    }),
    query: {
      bool: {
        filter: [
          { range: { [time]: { gte: iso(from), lt: iso(to) } } },
          ...chosen.map((field) => ({ term: { [field]: view[field] } })),
        ],
      },
    },
  };
}

const histogram = (aggregation, more) => ({
  ...aggregation,
  date_histogram: { ...aggregation.date_histogram, ...more },
});

// The messages of these offers: a message's id is its offer's.
export const messagesOf = (targetIds) => [
  contract.indices.sms,
  { size: targetIds.length, query: { ids: { values: targetIds } }, _source: ['status', 'reason'] },
];
