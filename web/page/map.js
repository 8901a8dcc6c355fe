// The map of states: counts or plays per listener, in five shades with a legend in numbers.
// In: states of a snapshot. Out: paths that are made once and shaded again; `choose(code)` is
// called when one is clicked. The same choice by keyboard is the filter "State".

import { $, changed, el, say, set } from './dom.js';
import { CODE_OF_FIPS, stateName } from './states.js';
import { count, decimal, plural } from './words.js';

/* global d3, topojson */

const SVG = 'http://www.w3.org/2000/svg';
const SHADES = 5;
const LABELLED = 5; // number of states with a label on the map

const paths = new Map();
const labels = new Map();
let centres = null;

function svg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

export async function makeMap(choose) {
  const shapes = await (await fetch('lib/states.json')).json();
  const draw = d3.geoPath();
  const states = topojson.feature(shapes, shapes.objects.states).features
    .filter(({ id }) => CODE_OF_FIPS[id]);
  centres = new Map(states.map((state) => [CODE_OF_FIPS[state.id], draw.centroid(state)]));
  for (const state of states) {
    const code = CODE_OF_FIPS[state.id];
    const path = svg('path', { d: draw(state), 'data-state': code, 'data-shade': '0' });
    path.append(svg('title', {}));
    path.addEventListener('click', () => choose(code));
    paths.set(code, path);
  }
  const texts = svg('g', { class: 'labels' });
  $('map').append(...paths.values(), texts);
  for (let n = 0; n < LABELLED; n += 1) {
    labels.set(n, texts.appendChild(svg('text', {})));
  }
}

export function showMap(data, { mode, state: chosen }) {
  if (!centres) return;
  const value = (each) => (mode === 'rate' ? each.plays / each.listeners : each.plays);
  const write = (n) => (mode === 'rate' ? decimal(n) : count(n));
  const known = new Map(data.states.map((each) => [each.state, each]));
  const values = data.states.filter((each) => paths.has(each.state)).map(value).sort((a, b) => a - b);
  const limits = shadeLimits(values);

  for (const [code, path] of paths) {
    const each = known.get(code);
    set(path, 'data-shade', each ? shadeOf(limits, value(each)) : 0);
    path.classList.toggle('chosen', code === chosen);
    const words = each
      ? `${stateName(code)}: ${plural(each.plays, 'play')}, ${decimal(each.plays / each.listeners)} per listener`
      : `${stateName(code)}: no plays`;
    say(path.firstChild, words);
  }
  if (chosen && paths.has(chosen)) paths.get(chosen).parentNode.insertBefore(paths.get(chosen), $('map').lastChild);
  showLabels(data.states.filter((each) => paths.has(each.state)), value, write);
  showLegend(limits, values, write, mode);
  showNote(data);
}

function showLabels(states, value, write) {
  const most = [...states].sort((a, b) => value(b) - value(a)).slice(0, LABELLED);
  labels.forEach((text, n) => {
    const each = most[n];
    const [x, y] = each ? centres.get(each.state) : [0, 0];
    set(text, 'x', Math.min(Math.max(x, 120), 860)); // within the map's edges
    set(text, 'y', y + 7);
    say(text, each ? `${each.state} ${write(value(each))}` : '');
  });
}

// Upper limits of all shades but the last: quantiles, so that one large state does not hide the others.
export function shadeLimits(sorted) {
  const limits = [];
  for (let n = 1; n < SHADES; n += 1) {
    const limit = sorted[Math.floor((n * sorted.length) / SHADES)];
    if (limit !== undefined && limit !== limits.at(-1) && limit > sorted[0]) limits.push(limit);
  }
  return limits;
}

export const shadeOf = (limits, value) => 1 + limits.filter((limit) => value >= limit).length;

function showLegend(limits, values, write, mode) {
  const bounds = (values.length ? [values[0], ...limits] : []).map(write);
  if (!changed('legend', [mode, bounds])) return;
  const none = el('span', {}, el('i', { 'data-shade': '0' }), 'none');
  const parts = bounds.map((from, n) =>
    el('span', {}, el('i', { 'data-shade': String(n + 1) }), n === bounds.length - 1 ? `${from}+` : from));
  const what = mode === 'rate' ? 'plays per listener, from' : 'plays, from';
  $('map-legend').replaceChildren(el('span', { class: 'what' }, what), none, ...parts);
}

function showNote({ states }) {
  const off = states.filter((each) => !paths.has(each.state));
  const unknown = off.find((each) => each.state === 'unknown')?.plays ?? 0;
  const elsewhere = off.reduce((sum, each) => sum + each.plays, 0) - unknown;
  const parts = [`Unknown zip: ${plural(unknown, 'play')}.`];
  if (elsewhere) parts.push(`Not on the map: ${plural(elsewhere, 'play')}.`);
  parts.push('Click a state to look at it alone.');
  say($('map-note'), parts.join(' '));
}
