const MAX_INT64 = 2n ** 63n - 1n;

/** An id as an argument: a string of decimal digits, as in results; a bigint; or a safe integer. */
export type Id = string | bigint | number;

/**
 * Converts an id to a bigint.
 *
 * @throws TypeError if the id is not a string, a bigint or a number.
 * @throws RangeError if the id is a string that is not a decimal integer, a fraction, a number so large that it may have
 *   been rounded, or outside int64.
 */
export function exactId(name: string, id: unknown): bigint {
  const exact = integerOf(name, id);
  if (exact > MAX_INT64 || exact < -MAX_INT64 - 1n) {
    throw new RangeError(`${name} must be a 64-bit integer, not ${exact}`);
  }
  return exact;
}

function integerOf(name: string, id: unknown): bigint {
  switch (typeof id) {
    case "bigint":
      return id;
    case "number":
      if (!Number.isSafeInteger(id)) {
        throw new RangeError(`${name} must be a safe integer if it is a number, not ${id}`);
      }
      return BigInt(id);
    case "string":
      // BigInt() would also accept "", " 7 ", "007" and "0x7".
      if (!/^(0|-?[1-9]\d{0,18})$/.test(id)) {
        throw new RangeError(`${name} must be a 64-bit integer, not ${JSON.stringify(id)}`);
      }
      return BigInt(id);
    default:
      throw new TypeError(`${name} must be a string, a bigint or a number, not ${id === null ? "null" : typeof id}`);
  }
}
