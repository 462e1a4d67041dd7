// The one place that says where the package is: beside this page, in pkg/.
export * from './pkg/dist/index.js';
