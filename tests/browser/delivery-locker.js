// Holds every stored file open for writing, as another tab might.
self.onmessage = async () => {
  try {
    const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle('pagelm');
    const handles = [];
    for await (const [name, file] of /** @type {any} */ (directory).entries()) {
      if (/^[0-9a-f]{64}$/.test(name)) handles.push(await file.createSyncAccessHandle());
    }
    Object.assign(self, { handles });
    self.postMessage(handles.length > 0 ? 'locked' : 'there is nothing to lock');
  } catch (error) {
    self.postMessage(String(error));
  }
};
