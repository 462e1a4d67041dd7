// Whether a value fits a JSON schema, of the few words that tests use.

/** @param {any} value @param {any} schema @param {any} root  where references lead @returns {boolean} */
export function fits(value, schema, root) {
  const known = ['type', 'properties', 'required', 'additionalProperties', 'items', 'minItems', 'maxItems', 'minimum', 'maximum', 'maxLength', 'enum', 'const', 'anyOf', '$ref', '$defs'];
  const unknown = Object.keys(schema).find((key) => !known.includes(key));
  if (unknown) throw new Error(`fits() does not know ${unknown}`);
  if (schema.$ref) return fits(value, schema.$ref.split('/').slice(1).reduce((/** @type {any} */ at, /** @type {string} */ key) => at[key], root), root);
  const same = (/** @type {any} */ other) => JSON.stringify(other) === JSON.stringify(value);
  if (schema.enum) return schema.enum.some(same);
  if ('const' in schema) return same(schema.const);
  if (schema.anyOf) return schema.anyOf.some((/** @type {any} */ one) => fits(value, one, root));
  switch (schema.type) {
    case 'null':
      return value === null;
    case 'boolean':
      return typeof value === 'boolean';
    case 'integer':
      return Number.isInteger(value) && value >= (schema.minimum ?? -Infinity) && value <= (schema.maximum ?? Infinity);
    case 'string':
      return typeof value === 'string' && [...value].length <= (schema.maxLength ?? Infinity);
    case 'array':
      return Array.isArray(value) && value.length >= (schema.minItems ?? 0) && value.length <= (schema.maxItems ?? Infinity)
        && value.every((item) => fits(item, schema.items, root));
    case 'object': {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
      const names = Object.keys(value);
      return (schema.required ?? []).every((/** @type {string} */ name) => names.includes(name))
        && names.every((name) => (schema.properties[name] ? fits(value[name], schema.properties[name], root) : schema.additionalProperties !== false));
    }
    default:
      throw new Error(`fits() does not know the type ${schema.type}`);
  }
}
