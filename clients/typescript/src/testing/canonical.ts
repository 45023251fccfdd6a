/** Returns text that is equal for equal values: JSON, in which a bigint is text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
}
