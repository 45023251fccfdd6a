/**
 * When a failed call is tried again, and a stream gone on with: the one rule, above gRPC's own retries.
 *
 * gRPC repeats a call by the service config, at most four times and for a second or two, which may be less than a restart
 * of the service takes. This goes on until the call's deadline.
 */
import { status } from "@grpc/grpc-js";

import { Overloaded, type PaymentsError, Unavailable } from "./errors.js";

/** CANCELLED is what a server that stops answers for a moment; the client's own cancelling is not tried again. */
const RETRYABLE_CODES: ReadonlySet<status> = new Set([status.UNAVAILABLE, status.CANCELLED]);

/**
 * How a stream may end that is gone on with: it only reads, so that whatever cut it leaves nothing in doubt.
 *
 * INTERNAL and UNKNOWN are what gRPC makes of a connection that breaks in the middle of a message, and DEADLINE_EXCEEDED
 * what a proxy may. Those that the service itself made have a call_id: they would come again.
 */
const RESUMABLE_CODES: ReadonlySet<status> = new Set([status.DEADLINE_EXCEEDED, status.INTERNAL, status.UNKNOWN]);

const FIRST_BACKOFF_SECONDS = 0.1;
const MAX_BACKOFF_SECONDS = 1;

/** Whether a call that ended so may well succeed when it is made again. */
function passes(error: PaymentsError): boolean {
  return error instanceof Overloaded || RETRYABLE_CODES.has(error.code);
}

/** Whether a stream that ended so may well go on when it is asked for again. */
function mayResume(error: PaymentsError): boolean {
  return passes(error) || (RESUMABLE_CODES.has(error.code) && error.callId === undefined);
}

/** The attempts of one call, which all together may take `timeoutSeconds`. */
export class Attempts {
  readonly #deadlineSeconds: number;
  readonly #clock: () => number;
  readonly #jitter: () => number;
  readonly #passes: (error: PaymentsError) => boolean;
  #backoffSeconds = FIRST_BACKOFF_SECONDS;
  #lastFailure: PaymentsError | undefined;

  /**
   * Starts the clock, which counts seconds; `jitter` returns numbers from 0 to 1; `mayPass` tells which errors are followed
   * by another attempt.
   */
  constructor(timeoutSeconds: number, clock = secondsNow, jitter = Math.random, mayPass = passes) {
    this.#clock = clock;
    this.#jitter = jitter;
    this.#passes = mayPass;
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
    const delaySeconds = (error.retryAfterSeconds ?? 0) + this.#jitter() * this.#backoffSeconds;
    if (!this.#passes(error) || delaySeconds >= this.remainingSeconds()) {
      throw error.code === status.DEADLINE_EXCEEDED ? (this.#lastFailure ?? error) : error;
    }
    this.#lastFailure = error;
    this.#backoffSeconds = Math.min(2 * this.#backoffSeconds, MAX_BACKOFF_SECONDS);
    return delaySeconds;
  }
}

/** The streams of one watch, of which each goes on where the one before ended. */
export class Resumptions {
  readonly #begin: () => Attempts;
  #stretch: Attempts | undefined;

  /** Lets the service be out of reach for `timeoutSeconds` at a stretch. The others are as those of {@link Attempts}. */
  constructor(timeoutSeconds: number, clock = secondsNow, jitter = Math.random) {
    this.#begin = () => new Attempts(timeoutSeconds, clock, jitter, mayResume);
  }

  /** How long the service may stay out of reach. */
  remainingSeconds(): number {
    return this.#attempts().remainingSeconds();
  }

  /** Notes that the service has answered: what fails after this begins another stretch. */
  received(): void {
    this.#stretch = undefined;
  }

  /**
   * How long to wait after a stream that ended with `error`, or with none, before the next: as {@link Attempts} waits.
   *
   * @throws PaymentsError `error` is not one that passes, or the service has been out of reach for too long.
   */
  delaySeconds(error: PaymentsError = new Unavailable("the stream ended", { code: status.UNAVAILABLE })): number {
    return this.#attempts().delaySeconds(error);
  }

  #attempts(): Attempts {
    return (this.#stretch ??= this.#begin());
  }
}

function secondsNow(): number {
  return performance.now() / 1_000;
}
