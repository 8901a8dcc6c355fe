// What a client wants to see: filters and time range, from the query string.
// In: the parsed query. Out: a view with every part set, and its name; equal views have equal names.

import contract from './contract.json' with { type: 'json' };

export const MINUTE = 60_000;

// range → its length, and the interval of the time chart, in minutes
export const RANGES = {
  '15m': { minutes: 15, step: 1 },
  '1h': { minutes: 60, step: 1 },
  '6h': { minutes: 360, step: 5 },
  '24h': { minutes: 1440, step: 15 },
};

const { labels } = contract;
export const CHOICES = {
  range: Object.keys(RANGES),
  device: ['', ...labels.device],
  gender: ['', ...labels.gender],
  level: ['', ...labels.level],
};
const STATE = new RegExp(`^(?:[A-Z]{2}|${labels.unknown})?$`);

// Throws an error with statusCode 400 for any other value.
export function parseView(query) {
  const view = { range: '24h', device: '', gender: '', level: '', state: '' };
  for (const [name, value] of Object.entries(query)) {
    const known = name === 'state'
      ? typeof value === 'string' && STATE.test(value)
      : Object.hasOwn(CHOICES, name) && CHOICES[name].includes(value);
    if (!known) {
      const error = new Error(`no such view: ${name}`);
      error.statusCode = 400;
      throw error;
    }
    view[name] = value;
  }
  return view;
}

export const nameOf = (view) =>
  [view.range, view.device, view.gender, view.level, view.state].join('|');

// The complete steps of the view's range before now, and the current one; ms since 1970.
// It changes once a minute at most, so that Elasticsearch may answer from its cache.
export function spanOf(view, now) {
  const { minutes, step } = RANGES[view.range];
  const running = Math.floor(now / (step * MINUTE)) * step * MINUTE;
  return { from: running - minutes * MINUTE, running, to: running + step * MINUTE, step };
}
