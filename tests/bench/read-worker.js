// Reads the one stored model of this origin, and says how long it took: what `load.mjs` compares loading with.

const PIECE_BYTES = 4 * 1024 * 1024; // as the store reads

async function read() {
  const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle('pagelm');
  for await (const [name, file] of /** @type {any} */ (directory).entries()) {
    if (!/^[0-9a-f]{64}$/.test(name)) continue;
    const handle = await file.createSyncAccessHandle({ mode: 'read-only' });
    const buffer = new Uint8Array(PIECE_BYTES);
    const start = performance.now();
    let bytes = 0;
    for (let count; (count = handle.read(buffer, { at: bytes })) > 0;) bytes += count;
    const ms = performance.now() - start;
    handle.close();
    return { ms, bytes };
  }
  throw new Error('no model is stored');
}

read().then(postMessage, (error) => postMessage({ error: String(error) }));
