// The stream of snapshots, opened again whenever it breaks. In: a view, callbacks. Out: calls of
// `hear(event, data)` and `change(state)`; states: connecting, live, reconnecting, stale.
//
// EventSource reconnects after a broken connection, but not after an HTTP error; and it does
// not notice a connection that is only silent. In both cases a new one is made.

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

  // Show this view from now on; ids of another view's snapshots do not count.
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
    // Many pages should not reconnect at the same time.
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
