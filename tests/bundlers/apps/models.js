// Runs in the page: a tiny model, and two whose every word is known.
import { load } from 'pagelm';

const chat = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}assistant:";

export async function loadModels() {
  const [tiny, caller, thinker] = await Promise.all([
    load('./model.gguf', { backend: 'cpu', cache: 'none', chatTemplate: chat }),
    load('./caller.gguf', { backend: 'cpu', cache: 'none' }),
    load('./thinker.gguf', { backend: 'cpu', cache: 'none' }),
  ]);
  return { tiny, caller, thinker };
}

/** What keeps a model from ending, as OpenAI's `logit_bias`. @param {import('pagelm').Model} model */
export async function endless(model) {
  const ends = ['<|end_of_text|>', '<|eot_id|>', '<|eom_id|>', '<|im_end|>', '<|endoftext|>', '<|end|>', '</s>'];
  const tokens = await Promise.all(ends.map((text) => model.tokenize(text, { addSpecial: false })));
  return Object.fromEntries(tokens.filter(({ length }) => length === 1).map(([id]) => [id, -100]));
}

/** A tool, in OpenAI's form. */
export const weather = { type: /** @type {const} */ ('function'), function: { name: 'weather', description: 'Tells it', parameters: { type: 'object', properties: { city: { type: 'string' } } } } };
