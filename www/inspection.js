// What a model would need here, from its header alone: a request or two before gigabytes.
import { asSentence, formatBytes, formatCount } from './format.js';
import { clearError, element, fillFacts, showError } from './page.js';
import { loadSettings } from './settings.js';
import { inspect } from './store.js';

/** @typedef {import('./pagelm.js').Fit} Fit */

/** @param {import('./pagelm.js').ModelSource} source @param {string} name */
export async function showInspection(source, name) {
  const panel = element('inspection', HTMLElement);
  clearError();
  panel.hidden = false;
  panel.setAttribute('aria-busy', 'true');
  element('inspection-title', HTMLElement).textContent = `Reading the header of ${name}…`;
  fillFacts(element('inspection-facts', HTMLElement), []);
  try {
    const found = await inspect(source, loadSettings());
    element('inspection-title', HTMLElement).textContent = `${found.name || name} ${found.fits ? 'fits' : 'does not fit'}. ${asSentence(found.reason)}`;
    fillFacts(element('inspection-facts', HTMLElement), factsOf(found));
  } catch (error) {
    panel.hidden = true;
    showError(`${name} could not be looked at.`, error);
  } finally {
    panel.removeAttribute('aria-busy');
  }
}

/** @param {import('./pagelm.js').Inspection} found @returns {[string, string][]} */
function factsOf(found) {
  return [
    ['Architecture', found.architecture],
    ['Weights', `${formatCount(found.parameters)}, ${found.quantisation}, ${formatBytes(found.bytes)}`],
    ['Context', `${found.contextLength.toLocaleString('en')} of at most ${found.maxContextLength.toLocaleString('en')} tokens`],
    ['On the CPU', needsOf(found.backends.cpu)],
    ['On WebGPU', found.backends.webgpu ? needsOf(found.backends.webgpu) : 'there is no adapter'],
    ['Storage', found.storage.have === null ? 'the browser does not say' : `${formatBytes(found.storage.needs)} of ${formatBytes(found.storage.have)} that are free`],
    ...(found.tokenizerError ? /** @type {[string, string][]} */ ([['Tokenizer', found.tokenizerError]]) : []),
    ...(found.templateError ? /** @type {[string, string][]} */ ([['Chat template', found.templateError]]) : []),
  ];
}

/** @param {Fit} fit */
const needsOf = ({ fits, needs }) => `${fits ? 'fits' : 'does not fit'}: ${formatBytes(needs.weights)} of weights, ${formatBytes(needs.cache)} of context, ${formatBytes(needs.activations + needs.overhead)} besides`;
