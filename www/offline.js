// Being an app: the service worker is registered, its updates are offered, and a host without the headers for threads
// costs one reload of a page that nobody has used yet.
import { showNotice } from './page.js';

const restMs = 1000; // after the page has loaded: what it draws then is drawn
const reloadedKey = 'pagelm-reloaded'; // once a tab: a browser that isolates nothing must not reload for ever

export async function setUpOffline() {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return; // an insecure address, or a browser without; everything else works
  const first = !serviceWorker.controller;
  let wanted = false; // whether the reload was asked for here
  const used = watchUse();
  serviceWorker.addEventListener('controllerchange', () => {
    if (wanted) location.reload();
    else if (!first) showNotice('Another tab has brought this page up to date.', { label: 'Reload', act: () => location.reload() }, { stays: true });
    else if (!crossOriginIsolated && !used() && mayReload()) location.reload();
  });
  await pageIsUp();
  const registration = await serviceWorker.register('./sw.js', { updateViaCache: 'none' }).catch(() => undefined);
  if (!registration) return;
  /** @param {ServiceWorker | null} worker */
  const offer = (worker) => {
    if (worker?.state !== 'installed' || !serviceWorker.controller) return;
    showNotice('There is a new version of this page.', {
      label: 'Reload',
      act: () => {
        wanted = true;
        worker.postMessage('activate');
      },
    }, { stays: true });
  };
  offer(registration.waiting);
  registration.addEventListener('updatefound', () => {
    const worker = registration.installing;
    worker?.addEventListener('statechange', () => offer(worker));
  });
  // a page that stays open for days hears of new versions, too
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') registration.update().catch(() => {}); // offline: next time
  });
}

/**
 * Once a model runs here, the device keeps every build of the engine that this browser can use, also one that was fetched before the
 * service worker was there: the next visit may have no network.
 */
export async function keepEngine() {
  const registration = await navigator.serviceWorker?.ready;
  registration?.active?.postMessage('keep-engine');
}

/** The worker fetches and hashes all files of the app: on two cores that doubled the time for which a first visit could not be used. */
async function pageIsUp() {
  if (document.readyState !== 'complete') await new Promise((resolve) => { addEventListener('load', resolve, { once: true }); });
  await new Promise((resolve) => { setTimeout(resolve, restMs); });
}

/** @returns {() => boolean} whether anything was pressed or typed since */
function watchUse() {
  let used = false;
  for (const type of ['pointerdown', 'keydown', 'drop']) addEventListener(type, () => { used = true; }, { once: true, capture: true });
  return () => used;
}

function mayReload() {
  try {
    if (sessionStorage.getItem(reloadedKey)) return false;
    sessionStorage.setItem(reloadedKey, 'yes');
    return true;
  } catch {
    return false;
  }
}
