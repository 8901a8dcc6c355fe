// The server of the live page (Stage 4): files, one snapshot, a stream of snapshots.
// In: settings. Out: a Fastify app, not listening yet, that closes all connections when it is closed.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import files from '@fastify/static';
import fastify from 'fastify';

import { elasticsearch } from './elasticsearch.js';
import { Hub } from './hub.js';
import { metrics } from './metrics.js';
import { redis } from './redis.js';
import { onLoopback, secure } from './security.js';
import { snapshots } from './snapshot.js';
import { EVENTS, EventStream } from './sse.js';
import { nameOf, parseView } from './view.js';

const PAGE = fileURLToPath(new URL('../page/', import.meta.url));
const PACKAGES = new URL('../node_modules/', import.meta.url);

// The page's libraries, each served from its package: no other network, no build step.
const LIBRARIES = {
  'billboard.js': 'billboard.js/dist/billboard.pkgd.min.js',
  'billboard.css': 'billboard.js/dist/billboard.min.css',
  'd3-array.js': 'd3-array/dist/d3-array.min.js',
  'd3-geo.js': 'd3-geo/dist/d3-geo.min.js',
  'topojson.js': 'topojson-client/dist/topojson-client.min.js',
  'states.json': 'us-atlas/states-albers-10m.json',
};
const TYPES = { js: 'text/javascript', css: 'text/css', json: 'application/json' };

export async function server(settings, options = {}) {
  const app = fastify({ bodyLimit: 1024, forceCloseConnections: true, ...options });
  const live = redis(settings);
  const reader = snapshots(elasticsearch(settings), live.read, Date.now, settings.timezone);
  const hub = new Hub(reader, settings);
  secure(app, settings);
  app.addHook('preClose', async () => hub.close());
  app.addHook('onClose', async () => live.close());

  app.register(files, { root: PAGE, cacheControl: false });
  for (const [name, path] of Object.entries(LIBRARIES)) {
    const content = await readFile(new URL(path, PACKAGES));
    const type = `${TYPES[name.split('.').at(-1)]}; charset=utf-8`;
    app.get(`/lib/${name}`, (request, reply) =>
      reply.type(type).header('cache-control', 'max-age=3600').send(content));
  }

  app.get('/health', async () => ({ ok: true, clients: hub.clients, views: hub.views }));

  app.get('/snapshot', async (request) => {
    const view = parseView(request.query);
    const name = `once ${nameOf(view)}`;
    try {
      return await reader.take(name, view);
    } finally {
      reader.forget(name);
    }
  });

  app.get('/metrics', async (request, reply) => {
    if (!onLoopback(request.ip)) return reply.code(403).send({ error: 'only on this machine' });
    const data = await live.read(Date.now()).catch(() => null);
    if (!data) return reply.code(503).send({ error: 'Redis does not answer' });
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(metrics(data, Date.now()));
  });

  // Headers alone: nobody joins, so no slot is held.
  app.head('/events', async (request, reply) => {
    parseView(request.query);
    return reply.type(EVENTS).header('cache-control', 'no-store').send();
  });

  app.get('/events', { exposeHeadRoute: false }, (request, reply) => {
    // A page that made a new EventSource cannot set the header, so it sends the id here.
    const { last, ...query } = request.query;
    const view = parseView(query);
    const name = nameOf(view);
    // Checked first: a refusal is still an ordinary response.
    if (hub.isFull(name)) return reply.code(503).header('retry-after', '10').send({ error: 'full' });
    reply.hijack();
    for (const [header, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(header, value);
    const client = new EventStream(reply.raw, settings.beatMs);
    hub.join(name, view, client, request.headers['last-event-id'] ?? last);
    reply.raw.on('close', () => {
      client.stop();
      hub.leave(name, client);
    });
  });

  return app;
}
