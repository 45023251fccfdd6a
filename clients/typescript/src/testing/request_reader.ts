import type { FieldViolation } from "../errors.js";
import { invalidRequest } from "./call_errors.js";

/** A value is invalid. The message says what is allowed, and `part` which part of the value it is about, if not all. */
export class InvalidValue extends Error {
  constructor(
    message: string,
    readonly part = "",
  ) {
    super(message);
  }
}

/** Reads the fields of one request, and collects all violations, so that one error can name them all. */
export class RequestReader {
  readonly #violations: FieldViolation[] = [];

  /** Returns what `parse` returns. If it throws InvalidValue, records the violation; `finish` will throw then. */
  read<Value>(field: string, parse: () => Value): Value {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof InvalidValue)) {
        throw error;
      }
      this.reject(error.part === "" ? field : `${field}.${error.part}`, error.message);
      // Not a Value, but `finish` keeps it from being used.
      return undefined as Value;
    }
  }

  /** Records a violation. */
  reject(field: string, description: string): void {
    this.#violations.push({ field, description });
  }

  /** @throws CallError if there are violations. */
  finish(): void {
    const [first, ...others] = this.#violations;
    if (first !== undefined) {
      throw invalidRequest(first, ...others);
    }
  }
}
