import { serve } from 'pagelm/service-worker';

serve();
addEventListener('activate', (event) => /** @type {any} */ (event).waitUntil(/** @type {any} */ (globalThis).clients.claim()));
