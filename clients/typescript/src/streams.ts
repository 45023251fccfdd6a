/** A stream that is gone on with by others. */
import { setTimeout as sleep } from "node:timers/promises";

import { type ClientReadableStream, type ServiceError, status } from "@grpc/grpc-js";

import { errorFromRpc } from "./error_details.js";
import { DeadlineExceeded, OutcomeUnknown, PaymentsError } from "./errors.js";
import type { Resumptions } from "./retries.js";

/** The longest that a timer of Node's can wait. */
const MAX_TIMER_MILLISECONDS = 2 ** 31 - 1;

/**
 * What the streams bring that `open` gives, one after another, without an end.
 *
 * @throws PaymentsError one ended in a way that is not gone on with, or with OutcomeUnknown because of `stop`.
 */
export async function* resumed<Response>(
  open: () => ClientReadableStream<Response>,
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
    // Which does not wait when the streams were stopped.
    await sleep(resumptions.delaySeconds(failure) * 1_000, undefined, { signal: stop }).catch(() => {
      throw failure ?? stopped();
    });
  }
}

/** @throws PaymentsError the stream failed, was stopped, or brought nothing while the service may be out of reach. */
async function* responsesOf<Response>(
  stream: ClientReadableStream<Response>,
  resumptions: Resumptions,
  stop: AbortSignal,
): AsyncGenerator<Response, void, undefined> {
  let endedBy: PaymentsError | undefined;
  /** Ends the stream at both ends, with what it has read ahead. */
  const end = (error?: PaymentsError) => {
    endedBy = error;
    stream.cancel();
    stream.destroy();
  };
  const onStop = () => {
    end(stopped());
  };
  // An error after its end is nobody's, and would end the process where nothing listens any more.
  stream.on("error", () => undefined);
  stop.addEventListener("abort", onStop);
  const remainingMilliseconds = resumptions.remainingSeconds() * 1_000;
  const timer =
    remainingMilliseconds <= MAX_TIMER_MILLISECONDS
      ? setTimeout(() => {
          end(new DeadlineExceeded("no response came in time", { code: status.DEADLINE_EXCEEDED }));
        }, remainingMilliseconds)
      : undefined;
  try {
    for await (const response of stream) {
      clearTimeout(timer);
      resumptions.received();
      yield response as Response;
    }
  } catch (error) {
    throw endedBy ?? (isOfRpc(error) ? errorFromRpc(error, undefined) : error);
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", onStop);
    end();
  }
}

function stopped(): OutcomeUnknown {
  return new OutcomeUnknown("the client was closed", { code: status.CANCELLED });
}

function isOfRpc(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "metadata" in error;
}
