// What scripts/site.mjs lays here is DOMPurify's own module.
export { default } from 'dompurify';
