// Reads each view once per interval for all of its clients, as long as it has any.
// In: take(name, view) → snapshot. Out: messages to the clients, which have send(message).
// A message is { id, event, data }: event `snapshot` when anything changed, else `same`,
// which says that the last snapshot is still right. Ids grow; each process has its own.

export class Hub {
  #views = new Map();
  #clients = 0;
  #take;
  #forget;
  #limits;
  #started = Date.now().toString(36);
  #number = 0;

  constructor({ take, forget }, limits) {
    this.#take = take;
    this.#forget = forget;
    this.#limits = limits;
  }

  get clients() {
    return this.#clients;
  }

  get views() {
    return this.#views.size;
  }

  // Whether one more client of this view would exceed a limit.
  isFull(name) {
    const { maxClients, maxViews } = this.#limits;
    return this.#clients >= maxClients || (!this.#views.has(name) && this.#views.size >= maxViews);
  }

  join(name, view, client, lastId) {
    let entry = this.#views.get(name);
    if (!entry) {
      entry = { view, clients: new Set(), last: null, content: '', timer: null };
      this.#views.set(name, entry);
      this.#round(name, entry);
    }
    entry.clients.add(client);
    this.#clients += 1;
    // A client that has this snapshot already does not get it again.
    if (entry.last && entry.last.id !== lastId) client.send(entry.last);
  }

  leave(name, client) {
    const entry = this.#views.get(name);
    if (!entry?.clients.delete(client)) return;
    this.#clients -= 1;
    if (entry.clients.size) return;
    clearTimeout(entry.timer);
    this.#views.delete(name);
    this.#forget(name);
  }

  close() {
    for (const { clients, timer } of this.#views.values()) {
      clearTimeout(timer);
      for (const client of clients) client.end();
    }
    this.#views.clear(); // a read that is under way then starts no other
  }

  async #round(name, entry) {
    const began = performance.now();
    const snapshot = await this.#take(name, entry.view);
    if (this.#views.get(name) !== entry) return; // the last client has left in the meantime
    const message = this.#messageOf(entry, snapshot);
    for (const client of entry.clients) client.send(message);
    const rest = this.#limits.everyMs - (performance.now() - began);
    entry.timer = setTimeout(() => this.#round(name, entry), Math.max(rest, 0));
  }

  #messageOf(entry, snapshot) {
    const { redis, elasticsearch } = snapshot;
    const at = { redis: redis.at, elasticsearch: elasticsearch.at };
    const content = JSON.stringify([snapshot.view, { ...redis, at: 0 }, { ...elasticsearch, at: 0 }]);
    if (content === entry.content) {
      return { event: 'same', data: JSON.stringify(at) };
    }
    entry.content = content;
    this.#number += 1;
    const id = `${this.#started}-${this.#number}`;
    entry.last = { id, event: 'snapshot', data: JSON.stringify(snapshot) };
    return entry.last;
  }
}
