/** The rules for single values of a request. Each function returns the value if it is valid, or throws InvalidValue. */
import { InvalidValue } from "./request_reader.js";

const MAX_REQUEST_ID_LENGTH = 255;
const MAX_CALLER_LENGTH = 255;
const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1_000;
const MAX_FILTER_VALUES = 20;

/** The id of an order or a payment. */
export function positiveId(id: bigint): bigint {
  if (id < 1n) {
    throw new InvalidValue("must be 1 or more");
  }
  return id;
}

/** The client gives every charge and refund a request_id, so it is never missing. */
export function requestIdText(requestId = ""): string {
  if (requestId.length > MAX_REQUEST_ID_LENGTH || !/^[ -~]+$/.test(requestId)) {
    throw new InvalidValue(`must be 1 to ${MAX_REQUEST_ID_LENGTH} printable ASCII characters, or left out`);
  }
  return requestId;
}

/** The name of a caller. */
export function callerName(name: string): string {
  if (name.length > MAX_CALLER_LENGTH || !/^[!-~]([ -~]*[!-~])?$/.test(name)) {
    throw new InvalidValue(
      `must be 1 to ${MAX_CALLER_LENGTH} printable ASCII characters, without a space at either end`,
    );
  }
  return name;
}

/** Text of 0 to `maxLength` characters. */
export function boundedText(text: string, maxLength: number, subject = ""): string {
  if (lengthOf(text) > maxLength || hasControlCharacter(text)) {
    throw new InvalidValue(`${subject} must be at most ${maxLength} characters, without control characters`.trim());
  }
  return text;
}

/** Text of 1 to `maxLength` characters. */
export function nonEmptyText(text: string, maxLength: number, subject = ""): string {
  if (text === "" || lengthOf(text) > maxLength || hasControlCharacter(text)) {
    throw new InvalidValue(`${subject} must be 1 to ${maxLength} characters, without control characters`.trim());
  }
  return text;
}

/** Returns how many items a page may have, of the requested number. */
export function pageSize(requested: number): number {
  if (requested < 0) {
    throw new InvalidValue(`must be 0 (which means ${DEFAULT_PAGE_SIZE}) to ${MAX_PAGE_SIZE}`);
  }
  return Math.min(requested === 0 ? DEFAULT_PAGE_SIZE : requested, MAX_PAGE_SIZE);
}

/** The values of a repeated field of a filter. */
export function filterValues<Value>(values: readonly Value[]): readonly Value[] {
  if (values.length > MAX_FILTER_VALUES) {
    throw new InvalidValue(`must have at most ${MAX_FILTER_VALUES} values`);
  }
  return values;
}

/** Counts characters as the service does: an emoji is one, although it is two units of a JavaScript string. */
function lengthOf(text: string): number {
  return Array.from(text).length;
}

function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
