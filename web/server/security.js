// Headers of every response, and requests that are refused before any handler runs.
// In: a Fastify instance. Out: hooks on it.

// Styles that scripts set (CSSOM) are allowed; style attributes in HTML are not.
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

// Against DNS rebinding: another site may point its name at this machine, but the Host header shows it.
export function hostAllowed(header, names) {
  return [...LOOPBACK, ...names].map(bare).includes(bare(String(header ?? '')));
}

const LOCAL_ADDRESS = /^(?:(?:::ffff:)?127\.\d+\.\d+\.\d+|::1)$/;

export const onLoopback = (address) => LOCAL_ADDRESS.test(address);

export function secure(app, settings) {
  const names = [...settings.names, settings.host];
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    if (!hostAllowed(request.headers.host, names)) {
      return reply.code(421).type('text/plain').send('This host name is not allowed.\n');
    }
    if (!['GET', 'HEAD'].includes(request.method)) {
      return reply.code(405).header('allow', 'GET, HEAD').type('text/plain').send('Only GET and HEAD are allowed.\n');
    }
  });
}
