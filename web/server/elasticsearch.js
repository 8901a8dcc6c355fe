// Elasticsearch through its HTTP interface: a multi-search is one request, so no client.
// In: named questions, as questions.js has them. Out: named answers, or an error.

export function elasticsearch({ elasticsearch: url, namespace, timeoutMs, ...secrets }) {
  const headers = { 'content-type': 'application/x-ndjson', ...authorization(secrets) };

  return async function ask(named) {
    const names = Object.keys(named);
    const lines = names.flatMap((name) => {
      const [index, body] = named[name];
      // An index that does not exist yet counts as empty.
      return [{ index: namespace + index, ignore_unavailable: true }, body].map(JSON.stringify);
    });
    const answer = await fetch(new URL('/_msearch', url), {
      method: 'POST',
      headers,
      body: `${lines.join('\n')}\n`,
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const { responses } = await answer.json();
    return Object.fromEntries(names.map((name, n) => [name, answered(name, responses[n])]));
  };
}

function authorization({ apiKey, username, password }) {
  if (apiKey) return { authorization: `ApiKey ${apiKey}` };
  if (!password) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}

function answered(name, response) {
  // With a failed shard, too small a number would look right.
  if (response.error || response._shards.failed || response.timed_out) {
    const why = response.error?.root_cause?.[0]?.reason ?? response.error?.reason ?? 'not whole';
    throw new Error(`${name}: ${why}`);
  }
  return response;
}
