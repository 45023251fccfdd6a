const MAX_INT64 = 2n ** 63n - 1n;

/**
 * Converts an id to a bigint.
 *
 * @throws TypeError if the id is neither a bigint nor a number.
 * @throws RangeError if the id is a fraction, a number so large that it may have been rounded, or outside int64.
 */
export function exactId(name: string, id: unknown): bigint {
  if (typeof id === "number") {
    if (!Number.isSafeInteger(id)) {
      throw new RangeError(`${name} must be a bigint or a safe integer, not ${id}`);
    }
    return BigInt(id);
  }
  if (typeof id !== "bigint") {
    throw new TypeError(`${name} must be a bigint or a number, not ${typeof id}`);
  }
  if (id > MAX_INT64 || id < -MAX_INT64 - 1n) {
    throw new RangeError(`${name} must be a 64-bit integer, not ${id}`);
  }
  return id;
}
