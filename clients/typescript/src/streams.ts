/** Streams responses, and resumes when the connection is lost. */
import { status } from "./codes.js";
import { errorFromRpc } from "./error_details.js";
import { DeadlineExceeded, OutcomeUnknown, PaymentsError } from "./errors.js";
import type { Resumptions } from "./retries.js";
import { sleep } from "./sleep.js";
import type { ResponseStream, RpcError } from "./stub.js";

/** The longest delay of a timer. */
const MAX_TIMER_MILLISECONDS = 2 ** 31 - 1;

/**
 * Yields the responses of the streams that `open` returns, one after another, endlessly.
 *
 * @throws PaymentsError if a stream ends with an error that is not resumable.
 * @throws OutcomeUnknown if `stop` is aborted.
 */
export async function* resumingResponses<Response>(
  open: () => ResponseStream<Response>,
  resumptions: Resumptions,
  stop: AbortSignal,
): AsyncGenerator<Response, never, undefined> {
  for (;;) {
    let failure: PaymentsError | undefined;
    try {
      yield* responsesOf(open(), resumptions, stop);
    } catch (error) {
      if (!(error instanceof PaymentsError)) {
        throw error;
      }
      failure = error;
    }
    // The sleep rejects immediately if `stop` was aborted.
    await sleep(resumptions.delaySeconds(failure) * 1_000, stop).catch(() => {
      throw failure ?? clientClosed();
    });
  }
}

/** @throws PaymentsError if the stream failed or was stopped, or its first response did not arrive in time. */
async function* responsesOf<Response>(
  stream: ResponseStream<Response>,
  resumptions: Resumptions,
  stop: AbortSignal,
): AsyncGenerator<Response, void, undefined> {
  let endedBy: PaymentsError | undefined;
  /** Ends the stream on both sides, and discards buffered responses. */
  const end = (error?: PaymentsError) => {
    endedBy = error;
    stream.cancel();
    stream.destroy();
  };
  const onStop = () => {
    end(clientClosed());
  };
  // An error after the end of the stream would crash the process if nothing listened for it.
  stream.on("error", () => undefined);
  stop.addEventListener("abort", onStop);
  const remainingMilliseconds = resumptions.remainingSeconds() * 1_000;
  const timer =
    remainingMilliseconds <= MAX_TIMER_MILLISECONDS
      ? setTimeout(() => {
          end(new DeadlineExceeded("no response arrived in time", { code: status.DEADLINE_EXCEEDED }));
        }, remainingMilliseconds)
      : undefined;
  try {
    for await (const response of stream) {
      clearTimeout(timer);
      resumptions.recordResponse();
      yield response;
    }
  } catch (error) {
    throw endedBy ?? (isRpcError(error) ? errorFromRpc(error, undefined) : error);
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", onStop);
    end();
  }
}

function clientClosed(): OutcomeUnknown {
  return new OutcomeUnknown("the client was closed", { code: status.CANCELLED });
}

function isRpcError(error: unknown): error is RpcError {
  return error instanceof Error && "code" in error && "metadata" in error;
}
