import { credentials as grpcCredentials, type Metadata } from "@grpc/grpc-js";

import { callMetadata } from "./api_key.js";
import { Calls } from "./calls.js";
import { channelOptions, DEFAULT_TARGET, DEFAULT_TIMEOUT_SECONDS } from "./connection.js";
import type { PaymentsError } from "./errors.js";
import {
  type ListPaymentsRequest,
  type ListRefundsRequest,
  PaymentServiceClient,
  type WatchPaymentsResponse,
} from "./generated/payments/v1/payments.js";
import type {
  Payment,
  PaymentDetails,
  PaymentPage,
  PaymentUpdate,
  Refund,
  RefundPage,
  RefundResult,
} from "./models.js";
import type { PaymentsClientOptions } from "./options.js";
import { walk } from "./paging.js";
import type {
  CallOptions,
  ChargeParams,
  GetPaymentParams,
  ListPaymentsPageParams,
  ListPaymentsParams,
  ListRefundsParams,
  RefundParams,
  WatchOptions,
  WatchPaymentsParams,
} from "./params.js";
import {
  batchChargeRequest,
  chargeRequest,
  getRequest,
  listRefundsRequest,
  listRequest,
  refundRequest,
  watchRequest,
} from "./requests.js";
import {
  chargeOutcomes,
  paymentDetails,
  paymentOf,
  paymentPage,
  paymentUpdate,
  refundPage,
  refundResult,
} from "./responses.js";

/**
 * A client of the payment service, to be kept and shared: it holds the connections.
 *
 * Every call takes `timeoutSeconds`, all its attempts together, where the client's own is not right, and a `signal` that
 * cancels it. Every call rejects with a {@link PaymentsError}, or one of its subclasses, for an error of the service and
 * for want of an answer; with a `TypeError` or `RangeError`, before anything is sent, for arguments that the contract
 * cannot express: an amount that is no `Decimal` or has more than two decimals, a `Date` that is no moment, an id that is
 * no exact integer; and with the signal's reason when that aborts.
 */
export class PaymentsClient {
  readonly #stub: PaymentServiceClient;
  readonly #calls: Calls;

  /**
   * Prepares the connection, which the first call opens.
   *
   * @throws RangeError `apiKey` would go to another machine in the clear, or is no key; or `timeoutSeconds` is no number.
   */
  constructor(options: PaymentsClientOptions = {}) {
    const { target = DEFAULT_TARGET, credentials = grpcCredentials.createInsecure() } = options;
    const metadata = callMetadata(target, credentials, options.apiKey);
    this.#calls = new Calls(metadata, options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS);
    this.#stub = new PaymentServiceClient(target, credentials, {
      ...channelOptions(target, options.channelOptions ?? {}, options.userAgent ?? ""),
      interceptors: [...(options.interceptors ?? [])],
    });
  }

  /**
   * Charges an order, and returns the payment. A declined charge is no error: its status is FAILED.
   *
   * @throws InvalidRequest, RequestIdReused, OutcomeUnknown.
   */
  async charge(params: ChargeParams, options: CallOptions = {}): Promise<Payment> {
    const request = chargeRequest(params);
    const rpc = this.#stub.charge.bind(this.#stub);
    const response = await this.#calls.make(rpc, request, options, request.requestId);
    return paymentOf(response.payment);
  }

  /**
   * Makes many charges in one call, at a small part of the cost of as many calls, and returns what became of each, in
   * their order: its payment, or the error that {@link charge} would have rejected with.
   *
   * One charge that is wrong stops none of the others. All or nothing is not promised: when the call itself fails, some
   * of the charges may have been made. The same call with the same requestIds tells, and makes the rest. There may be 1
   * to 1000 of them.
   *
   * @throws InvalidRequest, OutcomeUnknown.
   */
  async batchCharge(charges: readonly ChargeParams[], options: CallOptions = {}): Promise<(Payment | PaymentsError)[]> {
    const request = batchChargeRequest(charges);
    const rpc = this.#stub.batchCharge.bind(this.#stub);
    return chargeOutcomes(request, await this.#calls.make(rpc, request, options));
  }

  /**
   * Refunds a payment, and returns the refund and the payment after it.
   *
   * @throws InvalidRequest, PaymentNotFound, PaymentFailed, PaymentPending, PaymentArchived, RefundExceedsPayment,
   *   RequestIdReused, OutcomeUnknown.
   */
  async refund(params: RefundParams, options: CallOptions = {}): Promise<RefundResult> {
    const request = refundRequest(params);
    const rpc = this.#stub.refund.bind(this.#stub);
    return refundResult(await this.#calls.make(rpc, request, options, request.requestId));
  }

  /**
   * Returns one payment, found by its id or by its reference, with its first refunds: at most 100, and a token with which
   * {@link listRefunds} goes on.
   *
   * @throws InvalidRequest, PaymentNotFound, OutcomeUnknown.
   */
  async getPayment(params: GetPaymentParams, options: CallOptions = {}): Promise<PaymentDetails> {
    const rpc = this.#stub.getPayment.bind(this.#stub);
    return paymentDetails(await this.#calls.make(rpc, getRequest(params), options));
  }

  /**
   * Iterates over the refunds of a payment, oldest first, fetching a page when the iteration gets there.
   *
   * It meets each refund that existed when its last page was fetched exactly once. The options hold for each page that is
   * fetched.
   *
   * @throws InvalidRequest, PaymentNotFound, OutcomeUnknown: while iterating.
   */
  listRefunds(params: ListRefundsParams, options: CallOptions = {}): AsyncGenerator<Refund, void, undefined> {
    const first = listRefundsRequest(params);
    return walk(
      first.pageToken,
      (pageToken) => this.#refundPage({ ...first, pageToken }, options),
      (page) => page.refunds,
    );
  }

  /**
   * Returns one page of the refunds of a payment, oldest first.
   *
   * @throws InvalidRequest, PaymentNotFound, OutcomeUnknown.
   */
  async listRefundsPage(params: ListRefundsParams, options: CallOptions = {}): Promise<RefundPage> {
    return this.#refundPage(listRefundsRequest(params), options);
  }

  /**
   * Iterates over the payments that match the conditions, fetching a page when the iteration gets there.
   *
   * It meets each payment that existed when its first page was fetched exactly once, while charges go on. The options
   * hold for each page that is fetched.
   *
   * @throws InvalidRequest, OutcomeUnknown: while iterating.
   */
  listPayments(params: ListPaymentsParams = {}, options: CallOptions = {}): AsyncGenerator<Payment, void, undefined> {
    const first = listRequest(params);
    return walk(
      first.pageToken,
      (pageToken) => this.#paymentPage({ ...first, pageToken }, options),
      (page) => page.payments,
    );
  }

  /**
   * Returns one page of the payments that match the conditions; for the rest as {@link listPayments}.
   *
   * @throws InvalidRequest, OutcomeUnknown.
   */
  async listPaymentsPage(params: ListPaymentsPageParams = {}, options: CallOptions = {}): Promise<PaymentPage> {
    return this.#paymentPage(listRequest(params), options);
  }

  /**
   * Iterates over what happens to payments, without an end, waiting for the next event.
   *
   * Every event comes at least once, those of one payment in their order. The iteration goes on by itself after whatever
   * cuts its connection, such as a restart of the service, where it was. To go on after a crash of your own, keep the
   * `resumeToken` of each update once its event is dealt with, and begin with the last one. An update without an event
   * brings a newer token: there is one at once, and one whenever nothing has happened for some seconds.
   *
   * It reads no faster than it is iterated over. Leaving the loop, `return()` and the signal end it.
   *
   * @throws ResumeTokenExpired, InvalidRequest, OutcomeUnknown: while iterating.
   */
  watchPayments(
    params: WatchPaymentsParams = {},
    options: WatchOptions = {},
  ): AsyncGenerator<PaymentUpdate, void, undefined> {
    let request = watchRequest(params);
    const open = (metadata: Metadata) => this.#stub.watchPayments(request, metadata);
    const read = (response: WatchPaymentsResponse) => {
      // Before it is given out: whoever does not come back for more has dealt with it all the same.
      request = { resumeToken: response.resumeToken };
      return paymentUpdate(response);
    };
    return this.#calls.follow(open, read, options);
  }

  /** Closes the connection. Calls in progress are cancelled; there can be no further ones. */
  close(): void {
    this.#calls.close();
    this.#stub.close();
  }

  /** Closes the connection at the end of a block that has the client by `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #refundPage(request: ListRefundsRequest, options: CallOptions): Promise<RefundPage> {
    const rpc = this.#stub.listRefunds.bind(this.#stub);
    return refundPage(await this.#calls.make(rpc, request, options));
  }

  async #paymentPage(request: ListPaymentsRequest, options: CallOptions): Promise<PaymentPage> {
    const rpc = this.#stub.listPayments.bind(this.#stub);
    return paymentPage(await this.#calls.make(rpc, request, options));
  }
}
