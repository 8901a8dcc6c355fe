// What Redis holds: plays per minute, progress of the streams, the outbox.
// In: the settings and the time. Out: an object for JSON, or an error when Redis does not answer.

import { createClient } from 'redis';

import contract from './contract.json' with { type: 'json' };
import { MINUTE } from './view.js';

const MINUTES = 60;
const names = contract.redis;

export function redis({ redis: url, redisPrefix, namespace, timeoutMs }) {
  const key = (name) => `${redisPrefix}${namespace}${name}`;
  const client = createClient({
    url,
    // Fail at once without a connection: a queued answer would be old when it came.
    disableOfflineQueue: true,
    commandOptions: { timeout: timeoutMs },
    socket: { connectTimeout: timeoutMs, reconnectStrategy: (n) => Math.min(100 * 2 ** n, 2000) },
  });
  client.on('error', () => {}); // each read reports it; without a listener it ends the process
  client.connect().catch(() => {});

  async function read(now) {
    const minutes = lastMinutes(now);
    const [counted, progress, deadLetters, dead, waiting] = await Promise.all([
      Promise.all(minutes.map((at) => client.hGet(key(counter(at)), names.allPlays))),
      client.hGetAll(key(names.streamsProgress)),
      client.get(key(names.deadLetterCount)),
      client.xLen(key(names.smsDead)),
      backlog(),
    ]);
    return {
      minutes: minutes.map((at, n) => [at, Number(counted[n] ?? 0)]),
      streams: Object.entries(progress).map(([query, text]) => ({ query, ...JSON.parse(text) })).sort(byQuery),
      deadLetters: Number(deadLetters ?? 0),
      outbox: { waiting, dead },
    };
  }

  // Entries that no worker has acknowledged: pending, and not yet delivered.
  async function backlog() {
    try {
      const groups = await client.xInfoGroups(key(names.smsOutbox));
      const group = groups.find((each) => each.name === names.smsGroup);
      return group ? Number(group.pending) + Number(group.lag ?? 0) : await client.xLen(key(names.smsOutbox));
    } catch (error) {
      if (/no such key/i.test(error.message)) return 0;
      throw error;
    }
  }

  return { read, close: () => client.destroy() };
}

const byQuery = (a, b) => (a.query < b.query ? -1 : 1);

// The minutes of the last hour, the current one at the end.
export function lastMinutes(now) {
  const running = Math.floor(now / MINUTE) * MINUTE;
  return Array.from({ length: MINUTES }, (_, n) => running - (MINUTES - 1 - n) * MINUTE);
}

// A minute's hash is named like live:2026-01-31T12:00Z.
export const counter = (at) => `${names.live}${new Date(at).toISOString().slice(0, 16)}Z`;
