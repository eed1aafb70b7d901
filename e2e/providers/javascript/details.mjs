// What both SDKs in JavaScript have in common.

/** The client's method for a type; JavaScript has one type of numbers. */
export function methodFor(type) {
  const methods = {
    boolean: 'Boolean',
    string: 'String',
    integer: 'Number',
    float: 'Number',
    object: 'Object',
  };
  return `get${methods[type]}Details`;
}

/** An SDK's details of a flag, as they are compared. */
export function told({ value, variant, reason, errorCode, errorMessage, flagMetadata }) {
  return { value, variant, reason, errorCode, errorMessage, metadata: flagMetadata };
}
