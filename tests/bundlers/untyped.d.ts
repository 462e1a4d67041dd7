// Its package has types, and exports that hide them.
declare module '@web/rollup-plugin-import-meta-assets' {
  export function importMetaAssets(options?: { include?: string }): import('rollup').Plugin;
}
