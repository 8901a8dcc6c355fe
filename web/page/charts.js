// The charts, by billboard.js. In: the figures of a snapshot. Out: charts that are updated
// in place, one at a time, and only those that are visible and would look different: a share
// by a tenth of a per cent, a bar without a number by half a pixel. Tooltips and the tables
// behind the charts always have the newest figures.
//
// Colours, dashes and widths are in charts.css. Text from data (titles, artists) is
// shortened to one line here, and escaped where billboard takes HTML, which is its tooltip.

import { $ } from './dom.js';
import { count, dayTime, escape, fine, hourMinute, hourName, label, offset, percent, timezone } from './words.js';

/* global bb, d3 */

const still = { transition: { duration: 0 }, boost: { useCssRule: false } };
const noLegend = { legend: { show: false } };
const grid = { y: { show: true } };

// An axis from zero with a few round ticks; `most` returns the largest value.
const zeroUp = (most) => ({
  min: 0,
  padding: { bottom: 0 },
  tick: { values: () => d3.ticks(0, most(), 4), format: fine },
});

// The time axis' ticks: round hours or minutes, no more than `most`.
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360].map((minutes) => minutes * 60_000);
let roundTimes = [];
const most = { minutes: 0, hours: 0 };

export function ticks(from, to, most) {
  const step = STEPS.find((each) => (to - from) / each <= most) ?? STEPS.at(-1);
  const ahead = offset(from); // round hours are those of the zone's clocks
  const first = Math.ceil((from + ahead) / step) * step - ahead;
  return Array.from({ length: Math.floor((to - first) / step) + 1 }, (_, n) => first + n * step);
}

const DEVICES = { mobile: 'Mobile', pc: 'PC', unknown: 'Unknown' };
// Whether the device of a play is unknown: only then there is a third line.
export const anyUnknown = (rows) => rows.some(([, , , unknown]) => unknown);

const sum = (rows) => rows.reduce((all, [, n]) => all + n, 0);
const sharesSeen = (rows) => rows.map(([name, n]) => [name, percent(n, sum(rows))]);
const heightsSeen = (rows) => {
  const most = Math.max(1, ...rows.map(([, n]) => n));
  return [Math.round(400 * Math.log(most)), ...rows.map(([, n]) => Math.round((400 * n) / most))];
};

// title and lines of text → the tooltip's HTML; all of it is escaped
function tip(title, lines) {
  const rows = lines.map(([name, value]) =>
    `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`);
  return `<table class="tip"><caption>${escape(title)}</caption><tbody>${rows.join('')}</tbody></table>`;
}

const CHARTS = {
  minutes: {
    figures: (data) => ({ rows: data.minutes, step: data.span.step }),
    columns: ({ rows, step }) => {
      most.minutes = Math.max(...rows.flatMap(([, ...both]) => both)) / step;
      roundTimes = ticks(rows[0][0], rows.at(-1)[0], innerWidth < 640 ? 4 : 8);
      return [
        ['at', ...rows.map(([at]) => at)],
        ['mobile', ...rows.map(([, mobile]) => mobile / step)],
        ['pc', ...rows.map(([, , pc]) => pc / step)],
        ...(anyUnknown(rows) ? [['unknown', ...rows.map(([, , , unknown]) => unknown / step)]] : []),
      ];
    },
    options: () => ({
      data: { x: 'at', type: 'line' },
      axis: {
        x: {
          type: 'timeseries',
          localtime: false,
          tick: { format: (at) => hourMinute(+at), values: () => roundTimes, outer: false, multiline: false },
          padding: { left: 0, right: 0 },
        },
        y: zeroUp(() => most.minutes),
      },
      grid,
      point: { show: false },
      ...noLegend,
      padding: { right: 22, top: 10 },
    }),
    tip: (points) => tip(dayTime(+points[0].x),
      points.map((p) => [DEVICES[p.id], `${fine(p.value)} a minute`])),
  },
  gender: {
    figures: (data) => Object.entries(data.gender),
    seen: sharesSeen,
    columns: (rows) => rows,
    options: () => ({
      data: { type: 'donut', order: null },
      donut: {
        width: 55,
        padAngle: 0.02,
        label: { format: (n, ratio, name) => name, threshold: 0.12, ratio: 0.96 },
      },
      ...noLegend,
    }),
    tip: ([{ id }], rows) => {
      const n = rows.find(([name]) => name === id)?.[1] ?? 0;
      return tip(id, [['Plays', count(n)], ['Share', percent(n, sum(rows))]]);
    },
  },
  ages: bars((data) => data.ages.filter(([band, n]) => n || band !== 'unknown'), { width: 74, shares: true }),
  hours: {
    figures: (data) => data.hours,
    seen: heightsSeen,
    columns: (rows) => {
      most.hours = Math.max(...rows.map(([, n]) => n));
      return [['plays', ...rows.map(([, n]) => n)]];
    },
    options: () => ({
      data: { type: 'bar' },
      axis: {
        x: {
          type: 'category',
          categories: Array.from({ length: 24 }, (_, hour) => hourName(hour)),
          tick: { multiline: false, culling: { max: 6 }, outer: false },
        },
        y: zeroUp(() => most.hours),
      },
      grid,
      bar: { width: { ratio: 0.72 }, radius: { ratio: 0.12 } },
      ...noLegend,
      padding: { right: 6, top: 8 },
    }),
    tip: ([{ x }], rows) => tip(`${hourName(x)} ${timezone()}`, [['Plays', count(rows[x][1])]]),
  },
  tracks: bars((data) => data.tracks.map((t) => [t.title, t.plays, t.artist]), { width: 186 }),
  artists: bars((data) => data.artists.map((a) => [a.artist, a.plays]), { width: 186 }),
};

// Horizontal bars with a label each: rows are [label, plays, second line of the tooltip].
function bars(figures, { width, shares = false }) {
  let all = 1;
  return {
    figures,
    seen: shares ? sharesSeen : undefined,
    columns: (rows) => {
      all = sum(rows);
      return [['name', ...rows.map(([name]) => label(name))], ['plays', ...rows.map(([, n]) => n)]];
    },
    options: () => ({
      data: {
        x: 'name',
        type: 'bar',
        labels: { format: (n) => (shares ? percent(n, all) : count(n)) },
      },
      axis: {
        rotated: true,
        x: {
          type: 'category',
          tick: { multiline: false, outer: false, show: false, text: { position: { x: -2 } } },
          clipPath: false,
        },
        y: { show: false, min: 0, padding: { bottom: 0, top: 60 } },
      },
      bar: { width: { ratio: 0.66 }, radius: { ratio: 0.12 } },
      ...noLegend,
      padding: { left: width, right: 8, top: 0 },
    }),
    tip: ([{ index }], rows) => {
      const [name, n, more] = rows[index] ?? ['', 0];
      const lines = [['Plays', count(n)]];
      if (more) lines.unshift(['Artist', more]);
      if (shares) lines.push(['Share', percent(n, sum(rows))]);
      return tip(name, lines);
    },
  };
}

const drawn = new Map(); // name → { chart, content }
const newest = new Map(); // name → figures, for the tooltip
const waiting = new Map(); // name → figures, newest only
const inSight = new Set(); // names
const PAUSE_MS = 2600; // between two charts that are only updated
const LAST_MS = PAUSE_MS + 1500; // without an update until then, the rest is drawn
let atOnce = true; // a new view, or a chart that became visible: draw without a pause
let timer = null;
let drewAt = 0;

const sight = globalThis.IntersectionObserver && new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) {
    if (isIntersecting) inSight.add(target.id);
    else inSight.delete(target.id);
  }
  start(true);
}, { rootMargin: '120px' });

export function showCharts(data, newView) {
  if (newView) document.body.dataset.drawn = '';
  for (const [name, { figures }] of Object.entries(CHARTS)) waiting.set(name, figures(data));
  start(newView);
}

function start(now) {
  atOnce ||= now;
  // The next chart is drawn in the frame of this update; the timer is for the last ones.
  const due = now || performance.now() - drewAt > PAUSE_MS;
  if (timer && !due) return;
  clearTimeout(timer);
  next();
}

const turn = () => [...waiting.keys()].find((each) => inSight.has(each) || !drawn.has(each));

// One chart per task, the longest waiting first: between two tasks the page answers to keys
// and clicks, and an update costs no more than one chart.
function next() {
  timer = null;
  for (let name = turn(); name !== undefined; name = turn()) {
    const figures = waiting.get(name);
    waiting.delete(name);
    if (draw(name, figures)) {
      drewAt = performance.now();
      timer = setTimeout(next, atOnce ? 0 : LAST_MS);
      return;
    }
  }
  if (drawn.size) document.body.dataset.drawn = 'all'; // a screenshot may be taken now
  atOnce = false;
}

// Whether there was anything to draw.
function draw(name, figures) {
  const kind = CHARTS[name];
  newest.set(name, figures);
  const content = JSON.stringify(kind.seen ? kind.seen(figures) : figures);
  const before = drawn.get(name);
  if (before?.content === content) return false;
  performance.mark(`draw ${name}`);
  const columns = kind.columns(figures);
  if (before) {
    const ids = new Set(columns.map(([id]) => id));
    const unload = before.chart.data().map(({ id }) => id).filter((id) => !ids.has(id));
    before.chart.load({ columns, unload: unload.length ? unload : undefined });
    before.content = content;
  } else {
    const options = kind.options();
    const chart = bb.generate({
      bindto: `#${name}`,
      ...still,
      ...options,
      data: { ...options.data, columns },
      tooltip: { contents: (points) => kind.tip(points, newest.get(name)) },
    });
    drawn.set(name, { chart, content });
    sight.observe($(name));
  }
  performance.measure(`chart ${name}`, `draw ${name}`);
  return true;
}

export const steps = (step) => (step === 1 ? 'every minute' : `mean over ${step} minutes, whole ones only`);
