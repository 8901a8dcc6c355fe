// The texts of the page. In: numbers, times in ms since 1970. Out: text, never HTML.

const whole = new Intl.NumberFormat('en-US');
const tenths = new Intl.NumberFormat('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const short = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });

export const count = (n) => whole.format(n);
export const decimal = (n) => short.format(n);
// A rate far below one keeps its first two digits: 0.067 is not 0.1.
const digits = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 2 });
export const fine = (n) => (Math.abs(n) < 1 ? digits : short).format(n);
export const percent = (part, all) => (all ? `${tenths.format((100 * part) / all)} %` : '–');
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

// Times are shown by the clocks of one zone, the server's setting: the same for every visitor.
let zone = '';
let format;
export function setTimezone(name) {
  if (name === zone) return;
  zone = name;
  // Swedish writes dates and times as ISO 8601 does.
  format = new Intl.DateTimeFormat('sv-SE', { timeZone: name, dateStyle: 'short', timeStyle: 'medium' });
}
setTimezone('UTC');
export const timezone = () => zone;

const local = (ms) => format.format(ms);
export const clock = (ms) => local(ms).slice(11, 19);
export const hourMinute = (ms) => local(ms).slice(11, 16);
export const dayTime = (ms) => local(ms).slice(0, 16);
// How far the zone's clocks are ahead of UTC at that moment, ms.
export const offset = (ms) => Date.parse(`${local(ms).replace(' ', 'T')}Z`) - Math.floor(ms / 1000) * 1000;

export const RANGE_WORDS = { '15m': '15 minutes', '1h': 'hour', '6h': '6 hours', '24h': '24 hours' };

export function span(ms) {
  const seconds = ms / 1000;
  if (seconds < 1) return `${Math.round(ms)} ms`;
  if (seconds < 60) return `${short.format(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export function age(ms) {
  return ms < 1500 ? 'just now' : `${span(Math.round(ms / 1000) * 1000)} ago`;
}

// The line beside the title. `heard`: when the figures were last confirmed.
export function statusWords({ state, heard, now, paused, pausedAt }) {
  if (paused) return `Paused: figures from ${clock(pausedAt)}`;
  if (state === 'connecting') return 'Connecting …';
  if (state === 'live') return `Live, updated ${age(now - heard)}`;
  if (!heard) return 'No connection yet, trying again';
  const since = `${clock(heard)} (${age(now - heard)})`;
  return state === 'stale'
    ? `Stale since ${since}, trying again`
    : `Reconnecting: figures from ${since}`;
}

const SHOWS = {
  redis: 'plays right now, streams and outbox',
  elasticsearch: 'all other figures',
};
const NAMES = { redis: 'Redis', elasticsearch: 'Elasticsearch' };

export function downWords(store, { downSince, why, at }) {
  const figures = at
    ? `${SHOWS[store]} are from ${clock(at)}`
    : `${SHOWS[store]} cannot be shown`;
  return `${NAMES[store]} has not answered since ${clock(downSince)} (${why}): ${figures}. ` +
    'The page continues when it is back; workshop status shows the servers.';
}

export function emptyWords(data, view) {
  if (!data) return '';
  if (!data.everything.plays) {
    return 'No plays yet: start workshop replay, workshop ship --to kafka and workshop stream.';
  }
  if (data.plays) return '';
  const newest = data.everything.lastPlayed;
  return `No plays match this view in the last ${RANGE_WORDS[view.range]}; ` +
    `the newest play of all is from ${dayTime(newest)}.`;
}

const filters = (view, stateName) =>
  [
    view.device && (view.device === 'unknown' ? 'device unknown' : `on ${view.device}`),
    view.gender === 'unknown' ? 'gender unknown' : view.gender,
    view.level === 'unknown' ? 'level unknown' : view.level,
    view.state && `in ${stateName(view.state)}`,
  ].filter(Boolean).join(', ');

export function summaryWords(data, view, stateName) {
  const which = filters(view, stateName);
  const parts = [
    `Last ${RANGE_WORDS[view.range]}${which ? ` (${which})` : ''}: ` +
      `${plural(data.plays, 'play')} by ${plural(data.listeners, 'listener')}.`,
  ];
  if (!data.plays) return parts[0];
  const busiest = data.hours.reduce((a, b) => (b[1] > a[1] ? b : a));
  const { mobile = 0, unknown = 0 } = data.device;
  const of = unknown ? 'of the plays whose device is known ' : '';
  const share = `${percent(mobile, data.plays - unknown)} ${of}on mobile; `;
  const hour = `usiest hour ${hourName(busiest[0])}.`;
  parts.push(data.plays > unknown ? `${share}b${hour}` : `B${hour}`);
  const top = data.tracks[0];
  if (top) parts.push(`Most played: ${top.title} by ${top.artist} (${count(top.plays)}).`);
  const first = data.states.find((each) => each.state !== 'unknown');
  if (first && !view.state) parts.push(`Most plays from ${stateName(first.state)} (${count(first.plays)}).`);
  return parts.join(' ');
}

export const hourName = (hour) => `${String(hour).padStart(2, '0')}:00`;

// For an axis: one line, not too long.
export function label(text, length = 24) {
  const line = String(text).replace(/\s+/g, ' ').trim() || '(no title)';
  const letters = [...line];
  return letters.length <= length ? line : `${letters.slice(0, length - 1).join('')}…`;
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
export const escape = (text) => String(text).replace(/[&<>"']/g, (c) => ENTITIES[c]);
