/**
 * Decides when to retry a failed call or resume a stream, in addition to gRPC's own retries.
 *
 * The service config makes gRPC retry a call at most four times, which takes a second or two. A restart of the service
 * may take longer, so this module retries until the call's deadline.
 */
import { status } from "./codes.js";
import { Overloaded, type PaymentsError, Unavailable } from "./errors.js";

/** A server that is shutting down may return CANCELLED. A call that the client itself canceled is not retried. */
const RETRYABLE_CODES: ReadonlySet<status> = new Set([status.UNAVAILABLE, status.CANCELLED]);

/**
 * More status codes after which a stream resumes. A stream only reads, so resuming it is always safe.
 *
 * gRPC reports a connection that breaks in the middle of a message as INTERNAL or UNKNOWN, and a proxy may report it as
 * DEADLINE_EXCEEDED. If the service itself returned the error, it has a call_id, and resuming would only repeat it.
 */
const RESUMABLE_CODES: ReadonlySet<status> = new Set([status.DEADLINE_EXCEEDED, status.INTERNAL, status.UNKNOWN]);

const FIRST_BACKOFF_SECONDS = 0.1;
const MAX_BACKOFF_SECONDS = 1;

/** Returns whether a call that failed with `error` may succeed when retried. */
function isRetryable(error: PaymentsError): boolean {
  return error instanceof Overloaded || RETRYABLE_CODES.has(error.code);
}

/** Returns whether a stream that ended with `error` can be resumed. */
function isResumable(error: PaymentsError): boolean {
  return isRetryable(error) || (RESUMABLE_CODES.has(error.code) && error.callId === undefined);
}

/** The attempts of one call, which together may take at most `timeoutSeconds`. */
export class Attempts {
  readonly #deadlineSeconds: number;
  readonly #clock: () => number;
  readonly #jitter: () => number;
  readonly #mayRetry: (error: PaymentsError) => boolean;
  #backoffSeconds = FIRST_BACKOFF_SECONDS;
  #lastFailure: PaymentsError | undefined;

  /**
   * Starts the time limit. `clock` returns the time in seconds, `jitter` a random number from 0 to 1, and `mayRetry`
   * whether a retry may succeed after an error.
   */
  constructor(timeoutSeconds: number, clock = secondsNow, jitter = Math.random, mayRetry = isRetryable) {
    this.#clock = clock;
    this.#jitter = jitter;
    this.#mayRetry = mayRetry;
    this.#deadlineSeconds = clock() + timeoutSeconds;
  }

  /** Returns how long the next attempt may take: zero or less after the deadline. */
  remainingSeconds(): number {
    return this.#deadlineSeconds - this.#clock();
  }

  /**
   * Returns how long to wait between an attempt that failed with `error` and the next one.
   *
   * This is the delay that the service asked for (`google.rpc.RetryInfo`), if any, plus a random fraction of a backoff
   * that doubles from 0.1 to 1 second ("full jitter"), so that clients that failed together do not retry together.
   *
   * @throws PaymentsError if there is no next attempt, because the error is not retryable or the deadline would pass
   *   first. This is `error`, unless the deadline passed during a retry: then it is the previous error, which is more
   *   informative.
   */
  delaySeconds(error: PaymentsError): number {
    const delaySeconds = (error.retryAfterSeconds ?? 0) + this.#jitter() * this.#backoffSeconds;
    if (!this.#mayRetry(error) || delaySeconds >= this.remainingSeconds()) {
      throw error.code === status.DEADLINE_EXCEEDED ? (this.#lastFailure ?? error) : error;
    }
    this.#lastFailure = error;
    this.#backoffSeconds = Math.min(2 * this.#backoffSeconds, MAX_BACKOFF_SECONDS);
    return delaySeconds;
  }
}

/** Decides when to open the next stream of one watch. Each stream resumes where the previous one ended. */
export class Resumptions {
  readonly #newAttempts: () => Attempts;
  #attemptsSinceResponse: Attempts | undefined;

  /**
   * Gives up once the service has been continuously unreachable for `timeoutSeconds`.
   *
   * The other parameters are those of {@link Attempts}.
   */
  constructor(timeoutSeconds: number, clock = secondsNow, jitter = Math.random) {
    this.#newAttempts = () => new Attempts(timeoutSeconds, clock, jitter, isResumable);
  }

  /** Returns how much longer the service may stay unreachable. */
  remainingSeconds(): number {
    return this.#attempts().remainingSeconds();
  }

  /** Resets the timeout and the backoff, because the service has responded. */
  recordResponse(): void {
    this.#attemptsSinceResponse = undefined;
  }

  /**
   * Returns how long to wait before the next stream, after one that ended with `error` or without an error. The delays
   * are those of {@link Attempts}.
   *
   * @throws PaymentsError if `error` is not resumable, or the service has been unreachable for too long.
   */
  delaySeconds(error: PaymentsError = new Unavailable("the stream ended", { code: status.UNAVAILABLE })): number {
    return this.#attempts().delaySeconds(error);
  }

  #attempts(): Attempts {
    return (this.#attemptsSinceResponse ??= this.#newAttempts());
  }
}

function secondsNow(): number {
  return performance.now() / 1_000;
}
