// The page: view ⇄ address, snapshots → figures, and the status of what is shown.

import { anyUnknown, showCharts, steps } from './charts.js';
import { Connection } from './connection.js';
import { $, el, say } from './dom.js';
import { makeMap, showMap } from './map.js';
import { showGender, showInterests, showModel, showNow, showOffers, showStreams, showTiles } from './panels.js';
import { NAME_OF_CODE, stateName } from './states.js';
import { showTables, watchTables } from './tables.js';
import { downWords, emptyWords, setTimezone, statusWords, summaryWords } from './words.js';

const PARTS = ['range', 'device', 'gender', 'level', 'state'];
const ANNOUNCE_MS = 60_000;

let view = {};
let mode = 'plays'; // of the map; the server does not need it
let snapshot = null; // the one on the page
let waiting = null; // a newer one, while paused
let heard = 0; // when the figures were last confirmed, by this clock
let pausedAt = 0;
let drawnView = ''; // of the charts
let announced = { at: 0, words: '' };

// View ⇄ address and filters -----------------------------------------------------------

const form = $('filters');

function readAddress() {
  const query = new URLSearchParams(location.search);
  for (const name of PARTS) {
    const field = form.elements[name];
    field.value = query.get(name) ?? '';
    if (!field.value) field.value = name === 'range' ? '24h' : '';
  }
  mode = query.get('map') === 'rate' ? 'rate' : 'plays';
  document.querySelector(`#map-mode [value=${mode}]`).checked = true;
}

function readForm() {
  view = Object.fromEntries(PARTS.map((name) => [name, form.elements[name].value]));
}

const query = () => new URLSearchParams(PARTS.filter((name) => view[name]).map((n) => [n, view[n]]));

function writeAddress() {
  const shown = query();
  if (view.range === '24h') shown.delete('range');
  if (mode === 'rate') shown.set('map', mode);
  const address = shown.size ? `?${shown}` : './';
  history.replaceState(null, '', address);
  $('permalink').href = address;
}

function look() {
  readForm();
  writeAddress();
  announced.at = 0;
  setPaused(false);
  document.body.classList.add('waiting');
  connection.open(query());
}

function chooseState(code) {
  form.elements.state.value = view.state === code ? '' : code;
  look();
}

// Figures ------------------------------------------------------------------------------

function show() {
  const { redis, elasticsearch } = snapshot;
  setTimezone(snapshot.timezone);
  say($('timezone'), snapshot.timezone);
  // Figures of another view must not be shown with the filters of this one.
  document.body.classList.remove('waiting');
  if (redis.data) {
    showNow(redis.data);
    showStreams(redis.data, redis.at);
  }
  const { data } = elasticsearch;
  if (data) {
    showTiles(data);
    showGender(data);
    say($('summary'), summaryWords(data, snapshot.view, stateName));
    say($('minutes-note'), `by device, ${steps(data.span.step)}`);
    $('minutes-unknown').hidden = !anyUnknown(data.minutes);
    showMap(data, { mode, state: snapshot.view.state });
    showInterests(data, snapshot.view);
    showOffers(data);
    showModel(data);
    showTables(data);
    const drawn = JSON.stringify(snapshot.view);
    showCharts(data, drawn !== drawnView);
    drawnView = drawn;
  }
  showBanners();
  announce();
}

function showBanners() {
  const words = ['redis', 'elasticsearch']
    .filter((store) => !snapshot[store].ok)
    .map((store) => [store, downWords(store, snapshot[store])]);
  const empty = emptyWords(snapshot.elasticsearch.data, snapshot.view);
  if (empty) words.push(['empty', empty]);
  const content = words.map(([, text]) => text).join('\n');
  if ($('banners').dataset.content === content) return;
  $('banners').dataset.content = content;
  $('banners').replaceChildren(...words.map(([kind, text]) => el('p', { class: 'banner', 'data-kind': kind }, text)));
}

function hear(event, data) {
  heard = Date.now();
  if (event === 'snapshot') waiting = data;
  document.body.dataset.newer = pausedAt && waiting ? 'waiting' : '';
  if (event === 'same' && snapshot) {
    // Nothing else changed, but a stream may have become silent.
    const newest = waiting ?? snapshot;
    newest.redis.at = data.redis;
    newest.elasticsearch.at = data.elasticsearch;
    if (!pausedAt && newest.redis.data) showStreams(newest.redis.data, newest.redis.at);
  }
  if (!pausedAt && waiting) {
    performance.mark('update');
    [snapshot, waiting] = [waiting, null];
    show();
    performance.measure('update', 'update');
  }
}

// What is shown ------------------------------------------------------------------------

function showStatus() {
  const paused = Boolean(pausedAt);
  const { state } = connection;
  say($('status-text'), statusWords({ state, heard, now: Date.now(), paused, pausedAt }));
  $('status').dataset.state = paused ? 'paused' : state;
}

// For screen readers: at once when the connection changes, else once a minute.
function announce(now = Date.now()) {
  const words = connection.state === 'live'
    ? [$('summary').textContent, $('banners').textContent].join(' ').trim()
    : statusWords({ state: connection.state, heard, now, paused: false });
  if (now - announced.at < ANNOUNCE_MS || words === announced.words) return;
  announced = { at: now, words };
  say($('announce'), words);
}

function setPaused(on) {
  pausedAt = on ? heard || Date.now() : 0;
  $('pause').setAttribute('aria-pressed', String(on));
  say($('pause'), on ? 'Go on' : 'Pause');
  if (!on && waiting) {
    [snapshot, waiting] = [waiting, null];
    show();
  }
  showStatus();
}

async function copyLink() {
  let done = 'Copied';
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    done = 'See address bar';
  }
  say($('copy'), done);
  setTimeout(() => say($('copy'), 'Copy link'), 2000);
}

function showTheme() {
  say($('theme'), document.documentElement.dataset.theme === 'dark' ? 'Light' : 'Dark');
}

function otherTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
  try {
    localStorage.setItem('theme', root.dataset.theme);
  } catch {
    // No storage allowed: for this visit only.
  }
  showTheme();
}

// Start --------------------------------------------------------------------------------

const connection = new Connection(hear, () => {
  announced.at = 0;
  showStatus();
  announce();
});

for (const [code, name] of Object.entries(NAME_OF_CODE)) {
  $('state').append(el('option', { value: code }, name));
}
$('state').append(el('option', { value: 'unknown' }, 'unknown zip'));
readAddress();
watchTables();
showTheme();
form.addEventListener('change', look);
form.addEventListener('submit', (event) => event.preventDefault());
form.addEventListener('reset', () => setTimeout(look));
$('map-mode').addEventListener('change', (event) => {
  mode = event.target.value;
  writeAddress();
  if (snapshot?.elasticsearch.data) showMap(snapshot.elasticsearch.data, { mode, state: view.state });
});
$('pause').addEventListener('click', () => setPaused(!pausedAt));
$('copy').addEventListener('click', copyLink);
$('theme').addEventListener('click', otherTheme);
addEventListener('popstate', () => {
  readAddress();
  look();
});
setInterval(showStatus, 1000);

makeMap(chooseState).then(() => snapshot?.elasticsearch.data && show());
look();
