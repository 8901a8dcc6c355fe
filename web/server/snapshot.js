// Everything that a view shows at one time, from both stores, independently of each other.
// In: readers of the stores. Out: a function, view → snapshot. When a store does not
// answer, its last data stay, with their time; the other store is not delayed by it.

import { answers } from './answers.js';
import { messagesOf, questions } from './questions.js';

export function snapshots(ask, readRedis, clock = Date.now, timezone = 'UTC') {
  const redis = source(() => readRedis(clock()));
  const ofView = new Map();

  async function look(view) {
    const now = clock();
    const found = await ask(questions(view, now, timezone));
    const targets = found.targets.hits.hits.map((hit) => hit._id);
    const messages = targets.length ? (await ask({ messages: messagesOf(targets) })).messages : null;
    return answers(view, now, found, messages, timezone);
  }

  return {
    async take(name, view) {
      if (!ofView.has(name)) ofView.set(name, source(() => look(view)));
      const [fromRedis, fromElasticsearch] = await Promise.all([
        redis(clock()),
        ofView.get(name)(clock()),
      ]);
      return { view, timezone, redis: fromRedis, elasticsearch: fromElasticsearch };
    },
    forget: (name) => ofView.delete(name),
  };
}

// A reader that never throws: { ok, at, downSince, why, data }, times in ms since 1970.
// Calls during a read get the same result.
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

// Without addresses: every browser sees it.
const reason = (error) => error.cause?.code ?? error.code ?? error.message.slice(0, 200);
