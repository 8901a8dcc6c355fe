// The pipeline as Prometheus text (version 0.0.4), for whoever collects metrics on this machine.
// In: what redis.js read, and the time. Out: text. Rates are left to Prometheus, but for the
// rate of the last batch, which Spark measures.

// A stream publishes every two seconds; after so long without, it is not running.
export const SILENT_MS = 15_000;

// name → [type, help, value of a stream]
const OF_STREAM = {
  up: ['gauge', 'Whether the stream runs: it published in the last 15 s and has not failed',
    (stream, now) => Number(stream.running && !stream.failed && now - Date.parse(stream.at) <= SILENT_MS)],
  lag_records: ['gauge', 'Records in the topic that are not written yet', (s) => s.lag],
  input_rows_total: ['counter', 'Records read since the checkpoint began', (s) => s.input_rows],
  dead_letters_total: ['counter', 'Records that became dead letters', (s) => s.dead_lettered],
  late_rows_total: ['counter', 'Rows that came after the watermark', (s) => s.dropped_by_watermark],
  rows_per_second: ['gauge', 'Rate of the last batch', (s) => s.rows_per_second],
  batch_seconds: ['gauge', 'Duration of the last batch', (s) => s.batch_seconds],
  state_rows: ['gauge', 'Rows in the state store', (s) => s.state_rows],
  watermark_seconds: ['gauge', 'From the watermark to the newest event', (s) => s.watermark_seconds],
};

const OF_ALL = {
  dead_letters: ['gauge', 'Records in the dead-letter topic', ({ deadLetters }) => deadLetters],
  outbox_waiting: ['gauge', 'Messages that no worker has acknowledged', ({ outbox }) => outbox.waiting],
  sms_dead: ['gauge', 'Messages that could not be sent', ({ outbox }) => outbox.dead],
};

const quoted = (text) => `"${String(text).replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`;

export function metrics(data, now) {
  const lines = [];
  const add = (name, [type, help], samples) => {
    const known = samples.filter(([, value]) => Number.isFinite(value));
    if (!known.length) return;
    lines.push(`# HELP workshop_${name} ${help}.`, `# TYPE workshop_${name} ${type}`);
    lines.push(...known.map(([labels, value]) => `workshop_${name}${labels} ${value}`));
  };
  for (const [name, metric] of Object.entries(OF_STREAM)) {
    add(`stream_${name}`, metric, data.streams.map((stream) =>
      [`{query=${quoted(stream.query)}}`, metric[2](stream, now)]));
  }
  for (const [name, metric] of Object.entries(OF_ALL)) add(name, metric, [['', metric[2](data)]]);
  return `${lines.join('\n')}\n`;
}
