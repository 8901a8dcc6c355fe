// The table behind each chart, made when it is opened and updated while it is open.
// In: the figures. Out: rows in the page; every number in full, as the stores have it.

import { $, table } from './dom.js';
import { count, dayTime, decimal, hourName, percent } from './words.js';
import { stateName } from './states.js';

const NUMBER = 'number';
const plays = ['Plays', NUMBER];
const share = ['Share', NUMBER];
const sum = (rows) => rows.reduce((all, [, n]) => all + n, 0);

function shares(what, rows) {
  const all = sum(rows);
  return table(`Plays by ${what.toLowerCase()}`, [what, plays, share],
    rows.map(([label, n]) => [label, count(n), percent(n, all)]));
}

const TABLES = {
  'minutes-table': ({ minutes }) =>
    table('Plays by time and device', ['From', ['Mobile', NUMBER], ['PC', NUMBER], ['Unknown', NUMBER]],
      minutes.toReversed().map(([at, ...devices]) => [dayTime(at), ...devices.map(count)])),
  'states-table': ({ states }) =>
    table('Plays by state', ['State', plays, ['Listeners', NUMBER], ['Per listener', NUMBER]],
      states.map((s) =>
        [s.state === 'unknown' ? 'unknown zip' : stateName(s.state), count(s.plays), count(s.listeners), decimal(s.plays / s.listeners)])),
  'gender-table': ({ gender }) => shares('Gender', Object.entries(gender)),
  'ages-table': ({ ages }) => shares('Age', ages),
  'hours-table': ({ hours }) => shares('Hour', hours.map(([hour, n]) => [hourName(hour), n])),
  'tracks-table': ({ tracks }) =>
    table('Top tracks', ['Title', 'Artist', plays], tracks.map((t) => [t.title, t.artist, count(t.plays)])),
  'artists-table': ({ artists }) =>
    table('Top artists', ['Artist', plays], artists.map((a) => [a.artist, count(a.plays)])),
};

let latest = null;

function show(id) {
  if (latest) $(id).replaceChildren(TABLES[id](latest));
}

export function watchTables() {
  for (const id of Object.keys(TABLES)) {
    $(id).closest('details').addEventListener('toggle', (event) => event.target.open && show(id));
  }
}

export function showTables(data) {
  latest = data;
  for (const id of Object.keys(TABLES)) {
    if ($(id).closest('details').open) show(id);
  }
}
