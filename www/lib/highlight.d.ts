// What scripts/site.mjs lays here is highlight.js with its common languages; only what the page calls is described.
declare const highlighter: {
  getLanguage(name: string): object | undefined;
  highlight(code: string, options: { language: string, ignoreIllegals?: boolean }): { value: string };
};
export default highlighter;
