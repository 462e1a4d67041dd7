// Holds a stored file open for writing, as another tab might.
self.onmessage = async ({ data: name }) => {
  try {
    const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle('pagelm');
    self.handle = await (await directory.getFileHandle(name)).createSyncAccessHandle();
    self.postMessage('locked');
  } catch (error) {
    self.postMessage(String(error));
  }
};
