// What a client looks at: filter and range, from the query string.
// In: the parsed query. Out: a view with every part set, and its name, equal for equal views.

import contract from './contract.json' with { type: 'json' };

export const MINUTE = 60_000;

// range → how far back, and how long one point of the time chart is, in minutes
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

// Throws an error with statusCode 400 on anything that is not one of the choices.
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

// The whole steps of the view's range before now, and the running one; ms since 1970.
// The same all through a minute, so that Elasticsearch may answer from its cache.
export function spanOf(view, now) {
  const { minutes, step } = RANGES[view.range];
  const running = Math.floor(now / (step * MINUTE)) * step * MINUTE;
  return { from: running - minutes * MINUTE, running, to: running + step * MINUTE, step };
}
