// The stream of snapshots, kept open whatever happens. In: a view, callbacks. Out: calls of
// `hear(event, data)` and `change(state)`; states: connecting, live, reconnecting, stale.
//
// EventSource comes back by itself after a broken connection, but an HTTP error ends it for
// good; and a connection that is only silent tells nobody. So it is rebuilt in both cases.

const SILENT_MS = 12_000;
const STALE_MS = 15_000;
const LONGEST_MS = 15_000;

export class Connection {
  state = 'connecting';
  #source = null;
  #query = '';
  #lastId = '';
  #tries = 0;
  #timer = null;
  #heard = 0;
  #lostAt = 0;

  constructor(hear, change) {
    this.hear = hear;
    this.change = change;
    setInterval(() => this.#watch(), 1000);
  }

  // Look at this view from now on; ids of another view's snapshots mean nothing here.
  open(query) {
    this.#query = query;
    this.#lastId = '';
    this.#tries = 0;
    this.#build();
  }

  #build() {
    clearTimeout(this.#timer);
    this.#source?.close();
    const query = new URLSearchParams(this.#query);
    if (this.#lastId) query.set('last', this.#lastId);
    const source = new EventSource(`events?${query}`);
    this.#source = source;
    this.#heard = performance.now();
    for (const event of ['snapshot', 'same', 'beat']) {
      source.addEventListener(event, (message) => this.#message(event, message));
    }
    source.addEventListener('error', () => {
      this.#lost();
      if (source.readyState === EventSource.CLOSED) this.#later();
    });
  }

  #message(event, message) {
    this.#heard = performance.now();
    this.#tries = 0;
    this.#lastId = message.lastEventId;
    if (event !== 'beat') this.hear(event, JSON.parse(message.data));
    this.#be('live');
  }

  #lost() {
    if (this.state === 'live' || this.state === 'connecting') {
      this.#lostAt = performance.now();
      this.#be('reconnecting');
    }
  }

  #later() {
    clearTimeout(this.#timer);
    const pause = Math.min(1000 * 2 ** this.#tries, LONGEST_MS);
    this.#tries += 1;
    // Many pages are not to come back at the same moment.
    this.#timer = setTimeout(() => this.#build(), pause * (0.5 + Math.random() / 2));
  }

  #watch() {
    const now = performance.now();
    if (now - this.#heard > SILENT_MS && this.#source?.readyState !== EventSource.CLOSED) {
      this.#lost();
      this.#source.close();
      this.#later();
    }
    if (this.state === 'reconnecting' && now - this.#lostAt > STALE_MS) this.#be('stale');
  }

  #be(state) {
    if (state === this.state) return;
    this.state = state;
    this.change(state);
  }
}
