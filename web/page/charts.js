// The charts, by billboard.js. In: the figures of a snapshot. Out: drawings that are renewed
// in place, one at a time, and only those whose figures changed.
//
// Colours, dashes and widths are in charts.css. What comes from outside (titles, artists) is
// shortened to one line here, and escaped where billboard takes HTML, which is its tooltip.

import { $ } from './dom.js';
import { count, dayTime, decimal, escape, hourMinute, hourName, label, percent } from './words.js';

/* global bb */

const still = { transition: { duration: 0 }, boost: { useCssRule: false } };
const noLegend = { legend: { show: false } };
const zeroUp = { min: 0, padding: { bottom: 0 }, tick: { culling: { max: 4 }, format: decimal } };
const grid = { y: { show: true, ticks: 4 } };

// The time axis' ticks: round hours or minutes, no more than `most`.
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360].map((minutes) => minutes * 60_000);
let roundTimes = [];

export function ticks(from, to, most) {
  const step = STEPS.find((each) => (to - from) / each <= most) ?? STEPS.at(-1);
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.floor((to - first) / step) + 1 }, (_, n) => first + n * step);
}

// title and lines of text → the tooltip's HTML; every part of it escaped
function tip(title, lines) {
  const rows = lines.map(([name, value]) =>
    `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`);
  return `<table class="tip"><caption>${escape(title)}</caption><tbody>${rows.join('')}</tbody></table>`;
}

const CHARTS = {
  minutes: {
    figures: (data) => ({ rows: data.minutes, step: data.span.step }),
    columns: ({ rows, step }) => {
      roundTimes = ticks(rows[0][0], rows.at(-1)[0], innerWidth < 640 ? 4 : 8);
      return [
        ['at', ...rows.map(([at]) => at)],
        ['mobile', ...rows.map(([, mobile]) => mobile / step)],
        ['pc', ...rows.map(([, , pc]) => pc / step)],
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
        y: zeroUp,
      },
      grid,
      point: { show: false },
      ...noLegend,
      padding: { right: 22, top: 10 },
    }),
    tip: (points) => tip(dayTime(+points[0].x),
      points.map((p) => [p.id === 'pc' ? 'PC' : 'Mobile', `${decimal(p.value)} a minute`])),
  },
  gender: {
    figures: (data) => Object.entries(data.gender),
    columns: (rows) => rows,
    options: () => ({
      data: { type: 'donut', order: null },
      donut: {
        width: 55,
        padAngle: 0.02,
        label: { format: (n, ratio, name) => name, threshold: 0.12, ratio: 0.96 },
      },
      legend: { position: 'bottom' },
    }),
    names: (rows) => {
      const all = rows.reduce((sum, [, n]) => sum + n, 0);
      return Object.fromEntries(rows.map(([name, n]) => [name, `${name} ${percent(n, all)}`]));
    },
    tip: (points) => tip(points[0].id, [['Plays', count(points[0].value)], ['Share', percent(points[0].ratio, 1)]]),
  },
  ages: bars((data) => data.ages.filter(([band, n]) => n || band !== 'unknown'), { width: 74, shares: true }),
  hours: {
    figures: (data) => data.hours,
    columns: (rows) => [['plays', ...rows.map(([, n]) => n)]],
    options: () => ({
      data: { type: 'bar' },
      axis: {
        x: {
          type: 'category',
          categories: Array.from({ length: 24 }, (_, hour) => hourName(hour)),
          tick: { multiline: false, culling: { max: 6 }, outer: false },
        },
        y: { ...zeroUp, tick: { ...zeroUp.tick, format: (n) => (Number.isInteger(n) ? count(n) : '') } },
      },
      grid,
      bar: { width: { ratio: 0.72 }, radius: { ratio: 0.12 } },
      ...noLegend,
      padding: { right: 6, top: 8 },
    }),
    tip: (points) => tip(`${hourName(points[0].x)} UTC`, [['Plays', count(points[0].value)]]),
  },
  tracks: bars((data) => data.tracks.map((t) => [t.title, t.plays, t.artist]), { width: 186 }),
  artists: bars((data) => data.artists.map((a) => [a.artist, a.plays]), { width: 186 }),
};

// Lying bars with a label each: rows are [label, plays, second line of the tooltip].
function bars(figures, { width, shares = false }) {
  let rows = [];
  const all = () => rows.reduce((sum, [, n]) => sum + n, 0);
  return {
    figures,
    columns: (now) => {
      rows = now;
      return [['name', ...rows.map(([name]) => label(name))], ['plays', ...rows.map(([, n]) => n)]];
    },
    options: () => ({
      data: {
        x: 'name',
        type: 'bar',
        labels: { format: (n) => (shares ? percent(n, all()) : count(n)) },
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
    tip: (points) => {
      const [name, n, more] = rows[points[0].index] ?? ['', 0];
      const lines = [['Plays', count(n)]];
      if (more) lines.unshift(['Artist', more]);
      if (shares) lines.push(['Share', percent(n, all())]);
      return tip(name, lines);
    },
  };
}

const drawn = new Map(); // name → { chart, content, names }
let waiting = new Map(); // name → figures, newest only
let busy = false;

export function showCharts(data) {
  document.body.dataset.drawn = '';
  for (const [name, { figures }] of Object.entries(CHARTS)) waiting.set(name, figures(data));
  if (!busy) next();
}

// One chart a task: between two of them the page answers to keys and clicks.
function next() {
  const [entry] = waiting;
  busy = Boolean(entry);
  if (!entry) document.body.dataset.drawn = 'all'; // a picture may be taken now
  if (!entry) return;
  waiting.delete(entry[0]);
  draw(...entry);
  setTimeout(next);
}

function draw(name, figures) {
  const content = JSON.stringify(figures);
  const before = drawn.get(name);
  if (before?.content === content) return;
  performance.mark(`draw ${name}`);
  const kind = CHARTS[name];
  const columns = kind.columns(figures);
  const names = kind.names?.(figures);
  if (before) {
    const ids = new Set(columns.map(([id]) => id));
    const unload = before.chart.data().map(({ id }) => id).filter((id) => !ids.has(id));
    if (names) before.chart.config('data.names', names);
    before.chart.load({ columns, names, unload: unload.length ? unload : undefined });
    before.content = content;
  } else {
    const options = kind.options();
    const chart = bb.generate({
      bindto: `#${name}`,
      ...still,
      ...options,
      data: { ...options.data, columns, names },
      tooltip: { contents: (points) => kind.tip(points) },
    });
    drawn.set(name, { chart, content });
  }
  performance.measure(`chart ${name}`, `draw ${name}`);
}

export const steps = (step) => (step === 1 ? 'every minute' : `mean over ${step} minutes, whole ones only`);
