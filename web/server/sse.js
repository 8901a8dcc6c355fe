// One client on a server-sent event stream. In: messages. Out: bytes, no faster than it reads:
// for a slow client, a waiting message is replaced by a newer one, so memory stays bounded.

export const EVENTS = 'text/event-stream; charset=utf-8';

export class EventStream {
  #out;
  #pending = null;
  #blocked = false;
  #beat;

  constructor(out, beatMs) {
    this.#out = out;
    out.writeHead(200, {
      'content-type': EVENTS,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    out.on('drain', () => this.#drained());
    // A named event, as a comment would be invisible to the page's script.
    this.#beat = setInterval(() => this.send({ event: 'beat', data: '{}' }), beatMs);
    this.#write('retry: 2000\n\n');
  }

  send(message) {
    if (!this.#blocked) return this.#write(format(message));
    // `same` and `beat` add nothing to a waiting snapshot.
    if (message.event === 'snapshot' || !this.#pending) this.#pending = message;
  }

  end() {
    clearInterval(this.#beat);
    this.#out.end();
  }

  stop() {
    clearInterval(this.#beat);
  }

  #write(text) {
    this.#blocked = !this.#out.write(text);
  }

  #drained() {
    this.#blocked = false;
    const message = this.#pending;
    this.#pending = null;
    if (message) this.send(message);
  }
}

// Data is JSON, so it has no line break. Formatted once for all clients of a view.
export function format(message) {
  const { id, event, data } = message;
  message.text ??= `${id ? `id: ${id}\n` : ''}event: ${event}\ndata: ${data}\n\n`;
  return message.text;
}
