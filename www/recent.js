// The models that were loaded last, in this browser.

/** @typedef {import('./conversations.js').UsedModel} UsedModel */

const key = 'pagelm-recent';
const most = 6;

/** @returns {UsedModel[]} the latest first */
export function recentModels() {
  try {
    const list = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(list) ? list.filter((used) => typeof used?.name === 'string' && typeof used.source?.url === 'string') : [];
  } catch {
    return [];
  }
}

/** @param {UsedModel} used */
export function rememberModel(used) {
  if (!used.source) return;
  const { url } = used.source;
  try {
    localStorage.setItem(key, JSON.stringify([used, ...recentModels().filter(({ source }) => source?.url !== url)].slice(0, most)));
  } catch {
    // a convenience only
  }
}
