// Everything that a view shows at one moment, from both stores, each with its own fate.
// In: readers of the stores. Out: a function, view → snapshot. A store that is away leaves
// what it said last, with the time it said so; the other one is not held up by it.

import { answers } from './answers.js';
import { messagesOf, questions } from './questions.js';

export function snapshots(ask, readRedis, clock = Date.now) {
  const redis = source(() => readRedis(clock()));
  const ofView = new Map();

  async function look(view) {
    const now = clock();
    const found = await ask(questions(view, now));
    const targets = found.targets.hits.hits.map((hit) => hit._id);
    const messages = targets.length ? (await ask({ messages: messagesOf(targets) })).messages : null;
    return answers(view, now, found, messages);
  }

  return {
    async take(name, view) {
      if (!ofView.has(name)) ofView.set(name, source(() => look(view)));
      const [fromRedis, fromElasticsearch] = await Promise.all([
        redis(clock()),
        ofView.get(name)(clock()),
      ]);
      return { view, redis: fromRedis, elasticsearch: fromElasticsearch };
    },
    forget: (name) => ofView.delete(name),
  };
}

// A reader that never fails: { ok, at, downSince, why, data }, times in ms since 1970.
// Whoever asks while it is reading gets the same answer.
function source(read) {
  let state = { ok: true, at: null, downSince: null, why: '', data: null };
  let reading = null;
  const once = async (now) => {
    try {
      const data = await read();
      state = { ok: true, at: now, downSince: null, why: '', data };
    } catch (error) {
      const why = error.name === 'TimeoutError' ? 'no answer in time' : reason(error);
      state = { ...state, ok: false, downSince: state.downSince ?? now, why };
    }
    return state;
  };
  return (now) => {
    reading ??= once(now).finally(() => { reading = null; });
    return reading;
  };
}

// No address in it: this goes to every browser.
const reason = (error) => error.cause?.code ?? error.code ?? error.message.slice(0, 200);
