import { errorFromRpc } from "./error_details.js";
import { PaymentsError } from "./errors.js";
import type { CallOptions, WatchOptions } from "./params.js";
import { Attempts, Resumptions } from "./retries.js";
import { sleep } from "./sleep.js";
import { resumingResponses } from "./streams.js";
import type { ResponseStream, Rpc } from "./stub.js";

/** Makes the calls of one client, and retries each until its deadline. Closing the client cancels them. */
export class Calls<Metadata> {
  readonly #newMetadata: () => Metadata;
  readonly #timeoutSeconds: number;
  readonly #inFlight = new Set<AbortController>();
  #isClosed = false;

  /**
   * Makes calls with the metadata that `newMetadata` returns, which is another object for each call.
   *
   * @throws RangeError if `timeoutSeconds` is not a finite number.
   */
  constructor(newMetadata: () => Metadata, timeoutSeconds: number) {
    this.#newMetadata = newMetadata;
    this.#timeoutSeconds = requireFinite(timeoutSeconds);
  }

  /**
   * Makes one call and returns its response.
   *
   * @throws {@link PaymentsError} if the call failed, or the client was closed during the call.
   * @throws Error if the client was already closed.
   * @throws the reason of `options.signal`, if the signal was aborted.
   */
  async make<Request, Response>(
    rpc: Rpc<Request, Response, Metadata>,
    request: Request,
    options: CallOptions,
    requestId?: string,
  ): Promise<Response> {
    const { signal, timeoutSeconds = this.#timeoutSeconds } = options;
    const attempts = new Attempts(requireFinite(timeoutSeconds));
    const stop = this.#begin(signal);
    try {
      return await this.#attemptUntilDeadline(attempts, rpc, request, stop.signal, requestId);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      this.#end(stop);
    }
  }

  /**
   * Returns an iterator over the responses of a stream, converted by `read`. It opens a new stream when the connection
   * is lost.
   *
   * The iterator throws like `make`. Its `return()` takes effect even while the iterator waits, unlike that of a plain
   * async generator.
   *
   * @throws RangeError if `options.timeoutSeconds` is not a finite number.
   */
  stream<Response, Result>(
    open: (metadata: Metadata) => ResponseStream<Response>,
    read: (response: Response) => Result,
    options: WatchOptions,
  ): AsyncGenerator<Result, void, undefined> {
    const { signal, timeoutSeconds } = options;
    const resumptions = new Resumptions(timeoutSeconds === undefined ? Infinity : requireFinite(timeoutSeconds));
    const returnCalled = new AbortController();
    const results = this.#stream(open, read, resumptions, signal, returnCalled.signal);
    const finish = results.return.bind(results);
    results.return = (value) => {
      returnCalled.abort();
      return finish(value);
    };
    return results;
  }

  /** Cancels the calls in flight and rejects later ones. */
  close(): void {
    this.#isClosed = true;
    for (const stop of this.#inFlight) {
      stop.abort();
    }
  }

  async *#stream<Response, Result>(
    open: (metadata: Metadata) => ResponseStream<Response>,
    read: (response: Response) => Result,
    resumptions: Resumptions,
    signal: AbortSignal | undefined,
    returnSignal: AbortSignal,
  ): AsyncGenerator<Result, void, undefined> {
    const stop = this.#begin(signal, returnSignal);
    try {
      for await (const response of resumingResponses(() => open(this.#newMetadata()), resumptions, stop.signal)) {
        yield read(response);
      }
    } catch (error) {
      if (returnSignal.aborted) {
        return;
      }
      signal?.throwIfAborted();
      throw error;
    } finally {
      this.#end(stop);
    }
  }

  /** Registers a new call and returns the controller that cancels it. Any of the signals, or `close()`, aborts it. */
  #begin(...signals: (AbortSignal | undefined)[]): AbortController {
    if (this.#isClosed) {
      throw new Error("the client is closed");
    }
    const stop = new AbortController();
    const onAbort = () => {
      stop.abort();
    };
    for (const signal of signals) {
      signal?.throwIfAborted();
      signal?.addEventListener("abort", onAbort, { signal: stop.signal });
    }
    this.#inFlight.add(stop);
    return stop;
  }

  /** Unregisters a finished call. Aborting its controller removes the listeners from the signals. */
  #end(stop: AbortController): void {
    this.#inFlight.delete(stop);
    stop.abort();
  }

  async #attemptUntilDeadline<Request, Response>(
    attempts: Attempts,
    rpc: Rpc<Request, Response, Metadata>,
    request: Request,
    stop: AbortSignal,
    requestId: string | undefined,
  ): Promise<Response> {
    for (;;) {
      try {
        return await this.#attemptOnce(rpc, request, attempts.remainingSeconds(), stop, requestId);
      } catch (error) {
        if (!(error instanceof PaymentsError)) {
          throw error;
        }
        // The sleep rejects immediately if the call was canceled.
        await sleep(attempts.delaySeconds(error) * 1_000, stop).catch(() => {
          throw error;
        });
      }
    }
  }

  #attemptOnce<Request, Response>(
    rpc: Rpc<Request, Response, Metadata>,
    request: Request,
    timeoutSeconds: number,
    stop: AbortSignal,
    requestId: string | undefined,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + timeoutSeconds * 1_000;
      const call = rpc(request, this.#newMetadata(), { deadline }, (rpcError, response) => {
        stop.removeEventListener("abort", onAbort);
        if (rpcError === null) {
          resolve(response);
        } else {
          reject(errorFromRpc(rpcError, requestId));
        }
      });
      const onAbort = () => {
        call.cancel();
      };
      stop.addEventListener("abort", onAbort);
    });
  }
}

function requireFinite(timeoutSeconds: unknown): number {
  if (typeof timeoutSeconds !== "number" || !Number.isFinite(timeoutSeconds)) {
    throw new RangeError(`timeoutSeconds must be a finite number, not ${String(timeoutSeconds)}`);
  }
  return timeoutSeconds;
}
