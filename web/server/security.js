// What every answer carries, and what is refused before anything is looked up.
// In: a Fastify instance. Out: hooks on it.

// Styles that scripts set one by one (CSSOM) pass; style attributes in HTML do not.
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

const bare = (name) => name.toLowerCase().replace(/:\d+$/, '');

// A page of another site may point its own name at this machine; then the Host header tells.
export function hostAllowed(header, names) {
  return [...LOOPBACK, ...names].map(bare).includes(bare(String(header ?? '')));
}

export function secure(app, settings) {
  const names = [...settings.names, settings.host];
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    if (!hostAllowed(request.headers.host, names)) {
      return reply.code(421).type('text/plain').send('Not a name of this server.\n');
    }
    if (!['GET', 'HEAD'].includes(request.method)) {
      return reply.code(405).header('allow', 'GET, HEAD').type('text/plain').send('Only to be read.\n');
    }
  });
}
