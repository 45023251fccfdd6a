import { setTimeout as sleep } from "node:timers/promises";

import type {
  CallOptions as GrpcCallOptions,
  ClientReadableStream,
  ClientUnaryCall,
  Metadata,
  ServiceError,
} from "@grpc/grpc-js";

import { errorFromRpc } from "./error_details.js";
import { PaymentsError } from "./errors.js";
import type { CallOptions, WatchOptions } from "./params.js";
import { Attempts, Resumptions } from "./retries.js";
import { resumed } from "./streams.js";

/** An RPC of the generated stub. */
type Rpc<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<GrpcCallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** The calls of one client: each attempted until its deadline, all of them cancelled when the client is closed. */
export class Calls {
  readonly #metadata: Metadata;
  readonly #timeoutSeconds: number;
  readonly #inProgress = new Set<AbortController>();
  #isClosed = false;

  /** @throws RangeError `timeoutSeconds` is no number. */
  constructor(metadata: Metadata, timeoutSeconds: number) {
    this.#metadata = metadata;
    this.#timeoutSeconds = checkedTimeout(timeoutSeconds);
  }

  /**
   * Make one call, and return its answer.
   *
   * @throws PaymentsError it failed, or the client was closed during it.
   * @throws Error the client was closed before it.
   * @throws unknown the reason of `options.signal`.
   */
  async make<Request, Response>(
    rpc: Rpc<Request, Response>,
    request: Request,
    options: CallOptions,
    requestId?: string,
  ): Promise<Response> {
    const { signal, timeoutSeconds = this.#timeoutSeconds } = options;
    const attempts = new Attempts(checkedTimeout(timeoutSeconds));
    const stop = this.#begin(signal);
    try {
      return await this.#attempt(attempts, rpc, request, stop.signal, requestId);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      this.#end(stop);
    }
  }

  /**
   * Open a stream, and another whenever one is cut, and return an iterator over what `read` makes of their responses.
   *
   * The iterator throws as `make` does. Its `return()` ends it also while it waits, where that of any other async generator
   * would wait too.
   *
   * @throws RangeError `options.timeoutSeconds` is no number.
   */
  follow<Response, Result>(
    open: (metadata: Metadata) => ClientReadableStream<Response>,
    read: (response: Response) => Result,
    options: WatchOptions,
  ): AsyncGenerator<Result, void, undefined> {
    const { signal, timeoutSeconds } = options;
    const resumptions = new Resumptions(timeoutSeconds === undefined ? Infinity : checkedTimeout(timeoutSeconds));
    const left = new AbortController();
    const results = this.#follow(open, read, resumptions, signal, left.signal);
    const finish = results.return.bind(results);
    results.return = (value) => {
      left.abort();
      return finish(value);
    };
    return results;
  }

  /** Cancel the calls in progress, and take no more. */
  close(): void {
    this.#isClosed = true;
    for (const stop of this.#inProgress) {
      stop.abort();
    }
  }

  async *#follow<Response, Result>(
    open: (metadata: Metadata) => ClientReadableStream<Response>,
    read: (response: Response) => Result,
    resumptions: Resumptions,
    signal: AbortSignal | undefined,
    left: AbortSignal,
  ): AsyncGenerator<Result, void, undefined> {
    const stop = this.#begin(signal, left);
    try {
      for await (const response of resumed(() => open(this.#metadata.clone()), resumptions, stop.signal)) {
        yield read(response);
      }
    } catch (error) {
      if (left.aborted) {
        return;
      }
      signal?.throwIfAborted();
      throw error;
    } finally {
      this.#end(stop);
    }
  }

  /** What stops a call that begins now: a signal's abort, or close(). */
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
    this.#inProgress.add(stop);
    return stop;
  }

  /** Leaves nothing of a call that is over, which is too late to be stopped. */
  #end(stop: AbortController): void {
    this.#inProgress.delete(stop);
    stop.abort();
  }

  async #attempt<Request, Response>(
    attempts: Attempts,
    rpc: Rpc<Request, Response>,
    request: Request,
    stop: AbortSignal,
    requestId: string | undefined,
  ): Promise<Response> {
    for (;;) {
      try {
        return await this.#once(rpc, request, attempts.remainingSeconds(), stop, requestId);
      } catch (error) {
        if (!(error instanceof PaymentsError)) {
          throw error;
        }
        // Which does not wait when the call was stopped.
        await sleep(attempts.delaySeconds(error) * 1_000, undefined, { signal: stop }).catch(() => {
          throw error;
        });
      }
    }
  }

  #once<Request, Response>(
    rpc: Rpc<Request, Response>,
    request: Request,
    timeoutSeconds: number,
    stop: AbortSignal,
    requestId: string | undefined,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + timeoutSeconds * 1_000;
      // A copy, because interceptors write their own metadata into it.
      const call = rpc(request, this.#metadata.clone(), { deadline }, (rpcError, response) => {
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

function checkedTimeout(timeoutSeconds: unknown): number {
  if (typeof timeoutSeconds !== "number" || !Number.isFinite(timeoutSeconds)) {
    throw new RangeError(`timeoutSeconds must be a finite number, not ${String(timeoutSeconds)}`);
  }
  return timeoutSeconds;
}
