// What to do about an error, in this page's words: the package's messages speak to developers.

/** @type {Record<string, string>} by the stable `code` of pagelm's errors */
const advice = {
  'invalid-gguf': 'The file is damaged or no GGUF model. Delete it if it is in the library, and download it again.',
  'limit-exceeded': 'The file asks for more than any known model needs; it may be damaged. Try another file.',
  'unsupported-type': 'Choose the same model in another quantisation, such as Q4_K_M or Q8_0.',
  'unsupported-architecture': 'Choose another model; those in the library work.',
  'unsupported-tokenizer': 'Choose another model; those in the library work.',
  'invalid-model': 'The file contradicts itself. Download it again, or try another one.',
  'chat-template': 'The model’s chat template does not take this conversation. Remove the system prompt in the settings, or start a new chat.',
  'context-overflow': 'Start a new chat, or load the model again with a longer context, which is in the settings.',
  'out-of-memory': 'Choose a smaller model or a shorter context in the settings, or close other tabs.',
  'gpu-unavailable': 'Choose CPU or Auto above, or open the page in a browser with WebGPU.',
  'device-lost': 'The graphics device went away, and the model could not be loaded again. Ask again; if that does not help, load the model again.',
  'gpu-failure': 'Load the model again; if it happens again, choose CPU.',
  'not-finite': 'Load the model again, or choose the other backend.',
  'hash-mismatch': 'What came is not the file that was meant. Nothing of it was kept: try again later.',
  network: 'Check the connection and the address, then try again. Models that are on this device load without a connection.',
  storage: 'Free some space: delete a model that you do not need in the library.',
  closed: 'Load the model again.',
  internal: 'This is a fault of the page. Reload it; if it happens again, report it with the text above.',
  'invalid-argument': 'Look at the address and at the settings: one of them is not what the engine takes.',
  'unsupported-option': 'Look at the settings: one of them is not what this model or this device can do.',
  'worker-failed': 'Load the model again; if it happens again, reload the page.',
  'unsupported-environment': 'Use a current Chromium, Firefox or Safari.',
};

/** @param {string} code */
export const advise = (code) => advice[code] ?? '';
