// What scripts/site.mjs lays here is marked's own module.
export * from 'marked';
