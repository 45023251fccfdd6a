import { credentials as grpcCredentials, type Metadata } from "@grpc/grpc-js";

import { callMetadata } from "./api_key.js";
import { channelOptions, DEFAULT_TARGET } from "./connection.js";
import { PaymentServiceClient } from "./generated/payments/v1/payments.js";
import type { PaymentsClientOptions } from "./options.js";
import { PaymentCalls } from "./payment_calls.js";

/**
 * A client for the payment service. Create it once and share it, because it owns the connections.
 *
 * Every call accepts `timeoutSeconds`, which overrides the client's own and limits the whole call, including all
 * retries, and a `signal`, which cancels it. {@link PaymentsClient.watchPayments}, which is endless, gives
 * `timeoutSeconds` another meaning: see `WatchOptions`. A call rejects with a `PaymentsError` or one of its subclasses
 * if the service returns an error or does not respond, and with the signal's reason if the signal is aborted. It rejects
 * with a `TypeError` or `RangeError`, before anything is sent, for arguments that the contract cannot express: an
 * amount that is not a `Decimal` or has more than four decimals, an Invalid Date, or an id that is not a 64-bit integer.
 */
export class PaymentsClient extends PaymentCalls<Metadata> {
  /**
   * Prepares the connection, which the first call opens.
   *
   * @throws RangeError if `apiKey` would be sent unencrypted to another machine or is not a valid key, or if
   *   `timeoutSeconds` is not a finite number.
   */
  constructor(options: PaymentsClientOptions = {}) {
    const { target = DEFAULT_TARGET, credentials = grpcCredentials.createInsecure() } = options;
    const metadata = callMetadata(target, credentials, options.apiKey);
    const openStub = () =>
      options.transport ??
      new PaymentServiceClient(target, credentials, {
        ...channelOptions(target, options.channelOptions ?? {}, options.userAgent ?? ""),
        interceptors: [...(options.interceptors ?? [])],
      });
    // Copies, because interceptors add their own metadata to them.
    super(openStub, () => metadata.clone(), options.timeoutSeconds);
  }
}
