// Addresses and limits of the server, from the same variables that the Python side reads.
// In: the environment. Out: a frozen object; nothing else here reads the environment.

function number(env, name, otherwise) {
  const text = env[name];
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Error(`${name}='${text}' is wrong; allowed is a number from 0`);
}

// The zone of the page's times: the system's where none is named.
function zone(name) {
  try {
    const { timeZone } = new Intl.DateTimeFormat('en', { timeZone: name || undefined }).resolvedOptions();
    return name || timeZone; // as it was named: Intl has other names for some
  } catch {
    throw new Error(`WORKSHOP_TIMEZONE='${name}' is wrong; allowed is a name such as Asia/Seoul`);
  }
}

export function config(env = process.env) {
  const settings = {
    host: env.WORKSHOP_WEB_HOST || '127.0.0.1',
    port: number(env, 'WORKSHOP_WEB_PORT', 8080),
    // Host names that are accepted beside those of this machine, separated by commas.
    names: (env.WORKSHOP_WEB_NAMES || '').split(',').filter(Boolean),
    elasticsearch: env.WORKSHOP_ELASTICSEARCH_URL || 'http://127.0.0.1:9200',
    username: env.WORKSHOP_ELASTICSEARCH_USERNAME || 'kit',
    password: env.WORKSHOP_ELASTICSEARCH_PASSWORD || '',
    apiKey: env.WORKSHOP_ELASTICSEARCH_API_KEY || '',
    redis: env.WORKSHOP_REDIS_URL || 'redis://127.0.0.1:6379/0',
    redisPrefix: env.WORKSHOP_REDIS_PREFIX ?? 'workshop:',
    namespace: env.WORKSHOP_NAMESPACE || '',
    timezone: zone(env.WORKSHOP_TIMEZONE),
    everyMs: number(env, 'WORKSHOP_WEB_EVERY_MS', 1000), // between two snapshots of a view
    timeoutMs: number(env, 'WORKSHOP_WEB_PATIENCE_MS', 4000), // for an answer of a store
    beatMs: 5000, // a client gets an event at least this often
    maxClients: number(env, 'WORKSHOP_WEB_CLIENTS', 100),
    maxViews: number(env, 'WORKSHOP_WEB_VIEWS', 20), // different views at a time
  };
  return Object.freeze(settings);
}
