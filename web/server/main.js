// Starts the server of the live page; stops cleanly on SIGINT (Ctrl-C) and SIGTERM.
// Exit code 98: another program has the port (Linux's number of that error).

import { config } from './config.js';
import { server } from './server.js';

try {
  const settings = config();
  const app = await server(settings);
  await app.listen({ host: settings.host, port: settings.port });
  console.log(`The page is at http://${settings.host}:${app.server.address().port}`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close());
} catch (error) {
  const taken = error.code === 'EADDRINUSE';
  console.error(taken ? `Port ${error.port} is taken.` : error.message);
  process.exit(taken ? 98 : 1);
}
