/**
 * When a failed call is tried again, above gRPC's own retries.
 *
 * gRPC repeats a call by the service config, at most four times and for a second or two, which may be less than a restart
 * of the service takes. This goes on until the call's deadline.
 */
import { status } from "@grpc/grpc-js";

import { Overloaded, type PaymentsError } from "./errors.js";

/** CANCELLED is what a server that stops answers for a moment; the client's own cancelling is not tried again. */
const RETRYABLE_CODES: ReadonlySet<status> = new Set([status.UNAVAILABLE, status.CANCELLED]);

const FIRST_BACKOFF_SECONDS = 0.1;
const MAX_BACKOFF_SECONDS = 1;

/** The attempts of one call, which all together may take `timeoutSeconds`. */
export class Attempts {
  readonly #deadlineSeconds: number;
  readonly #clock: () => number;
  readonly #jitter: () => number;
  #backoffSeconds = FIRST_BACKOFF_SECONDS;
  #lastFailure: PaymentsError | undefined;

  /** Starts the clock, which counts seconds; `jitter` returns numbers from 0 to 1. */
  constructor(timeoutSeconds: number, clock = () => performance.now() / 1_000, jitter = Math.random) {
    this.#clock = clock;
    this.#jitter = jitter;
    this.#deadlineSeconds = clock() + timeoutSeconds;
  }

  /** How long the next attempt may take; zero or less when the deadline has passed. */
  remainingSeconds(): number {
    return this.#deadlineSeconds - this.#clock();
  }

  /**
   * How long to wait after an attempt that failed with `error`, before the next.
   *
   * It is what the service asked for (`google.rpc.RetryInfo`), if it did, and on top a random part of a backoff that
   * doubles from 0.1 to 1 second ("full jitter"), so that callers that failed together do not return together.
   *
   * @throws PaymentsError there is no next attempt, because the error is not one that passes, or the deadline would pass
   *   first. It is `error`, unless that only says that the deadline cut an attempt that followed a failure: then it is
   *   that failure, which says why.
   */
  delaySeconds(error: PaymentsError): number {
    if (error.code === status.DEADLINE_EXCEEDED && this.#lastFailure !== undefined) {
      throw this.#lastFailure;
    }
    if (!(error instanceof Overloaded || RETRYABLE_CODES.has(error.code))) {
      throw error;
    }
    const delaySeconds = (error.retryAfterSeconds ?? 0) + this.#jitter() * this.#backoffSeconds;
    if (delaySeconds >= this.remainingSeconds()) {
      throw error;
    }
    this.#lastFailure = error;
    this.#backoffSeconds = Math.min(2 * this.#backoffSeconds, MAX_BACKOFF_SECONDS);
    return delaySeconds;
  }
}
