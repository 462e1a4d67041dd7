// Serves the chat page until Ctrl-C. PORT is where it starts to look for a free port.
import { serve } from '../tests/server/serve.mjs';
import { buildSite, sitePolicy, siteRoots } from './site.mjs';

const port = Number(process.env.PORT || 8080);
if (!Number.isInteger(port) || port < 1 || port > 65_515) {
  console.error(`error: PORT is "${process.env.PORT}"; it can be 1 to 65515`);
  process.exit(1);
}
const server = await serve({ port, nextFree: true, roots: siteRoots(buildSite()), policy: sitePolicy });
console.log(`pagelm: ${server.origin}/   (Ctrl-C ends it)`);
