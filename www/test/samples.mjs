// What the screens show when no model has said anything.
import { exportFile } from './open.mjs';

const answer = `Here are **three** ways, with their cost:

| way | lines | fast |
|---|---|---|
| loop | 4 | yes |
| \`sum()\` | 1 | yes |

\`\`\`python
def total(numbers: list[int]) -> int:
    """The sum of all numbers."""
    return sum(n for n in numbers if n > 0)  # negative ones do not count
\`\`\`

1. Read the *question* again.
2. Look at [the documentation](https://docs.python.org/3/).
   - with a list in it

> Simple is better than complex.

### Then

- [x] done
- [ ] open
`;

export const conversations = exportFile([
  { id: 'rain', title: 'A haiku about rain, and about the wind that brought it', messages: [] },
  { id: 'sky', title: 'Why the sky is blue', messages: [] },
  {
    id: 'python',
    messages: [
      { role: 'user', content: 'How do I add the positive numbers of a list?\nIn Python, please.' },
      { role: 'assistant', content: answer, reasoning: 'They want a sum.\nA generator will do.', note: '143 tokens · 91 tokens/s · prompt 166 tokens/s' },
      { role: 'user', content: 'Thank you!' },
      { role: 'assistant', content: 'You are welcome.', note: '5 tokens · 93 tokens/s · prompt 150 tokens/s' },
    ],
    model: { name: 'SmolLM2 135M Instruct' },
  },
]);

const start = { stored: true, openMs: 120, compileMs: 95, readMs: 140, uploadMs: 280, promptMs: 96 };
const points = (/** @type {number[]} */ ...rates) => [16, 128, 512, 2048].map((tokens, index) => ({ tokens, rate: rates[index] }));

/** @param {string} name @param {object} machine @param {object[]} runs */
const reportFile = (name, machine, runs) => ({
  name,
  mimeType: 'application/json',
  buffer: Buffer.from(JSON.stringify({
    format: 'pagelm-benchmark',
    version: 1,
    date: '2026-11-20T10:00:00.000Z',
    machine,
    runs: runs.map((run) => ({ device: 'SIMD128', model: 'SmolLM2 135M Q4_1', backend: 'cpu', start, ...run })),
  })),
});

/** Of two machines, with a way of running that both have. */
export const benchReports = [
  reportFile('desk.json', { browser: 'Chrome 156', system: 'X11; Linux x86_64', cores: 8, memory: '8 GiB or more', adapter: 'nvidia ampere', isolated: true }, [
    { threads: 1, prefill: points(120, 166, 160, 131), decode: points(91, 88, 79, 52) },
    { threads: 4, prefill: points(300, 520, 531, 440), decode: points(201, 190, 171, 120) },
    { backend: 'webgpu', threads: 1, device: 'a GPU', prefill: points(400, 1200, 2100, 1900), decode: points(140, 138, 131, 118) },
  ]),
  reportFile('phone.json', { browser: 'Firefox 153', system: 'Android 16; Mobile', cores: 6, memory: 'not said', adapter: 'none', isolated: false }, [
    { threads: 1, prefill: points(61, 70, 66, 51), decode: points(42, 40, 33, 21) },
  ]),
];
