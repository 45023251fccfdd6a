import { Calls } from "./calls.js";
import type { PaymentsError } from "./errors.js";
import type {
  ListPaymentEventsRequest,
  ListPaymentsRequest,
  ListRefundsRequest,
  WatchPaymentsResponse,
} from "./generated/payments/v1/payments.js";
import type {
  Payment,
  PaymentDetails,
  PaymentEvent,
  PaymentEventPage,
  PaymentPage,
  PaymentUpdate,
  Refund,
  RefundPage,
  RefundResult,
} from "./models.js";
import { iteratePages } from "./paging.js";
import type {
  CallOptions,
  ChargeParams,
  GetPaymentParams,
  ListPaymentEventsParams,
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
  listPaymentEventsRequest,
  listRefundsRequest,
  listRequest,
  refundRequest,
  watchRequest,
} from "./requests.js";
import {
  chargeOutcomes,
  paymentDetails,
  paymentEventPage,
  paymentOf,
  paymentPage,
  paymentUpdate,
  refundPage,
  refundResult,
} from "./responses.js";
import type { Stub } from "./stub.js";

const DEFAULT_TIMEOUT_SECONDS = 10;

/** The calls of a client, whatever transport they take. */
export abstract class PaymentCalls<Metadata> {
  readonly #stub: Stub<Metadata>;
  readonly #calls: Calls<Metadata>;

  /** Makes calls through the stub that `openStub` returns. The other parameters are those of {@link Calls}. */
  protected constructor(
    openStub: () => Stub<Metadata>,
    newMetadata: () => Metadata,
    timeoutSeconds: number | undefined,
  ) {
    this.#calls = new Calls(newMetadata, timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS);
    this.#stub = openStub();
  }

  /**
   * Charges an order and returns the payment. A declined charge is not an error: it has the status FAILED.
   *
   * If the payer must approve the payment first, its status is PENDING, and its `nextAction` says what to do.
   *
   * @throws {@link InvalidRequest} if the request is invalid.
   * @throws {@link OrderHasPendingPayment} if another payment of the order is pending, only with `unlessPending`.
   * @throws {@link RequestIdReused} if an earlier charge used the `requestId` with different parameters.
   * @throws {@link OutcomeUnknown} if the charge may or may not have been made.
   */
  async charge(params: ChargeParams, options: CallOptions = {}): Promise<Payment> {
    const request = chargeRequest(params);
    const rpc = this.#stub.charge.bind(this.#stub);
    const response = await this.#calls.make(rpc, request, options, request.requestId);
    return paymentOf(response.payment);
  }

  /**
   * Makes 1 to 1000 charges at a fraction of the cost of separate calls, and returns their outcomes in order. An
   * outcome is a payment, or the error with which {@link charge} would have rejected.
   *
   * A charge that fails does not affect the others. The batch is not atomic: if the call itself fails, some of its
   * charges may have been made. A retry with the same requestIds returns their outcomes and makes the remaining
   * charges.
   *
   * @throws {@link InvalidRequest} if the batch is empty or too large.
   * @throws {@link OutcomeUnknown} if the charges may or may not have been made.
   */
  async batchCharge(charges: readonly ChargeParams[], options: CallOptions = {}): Promise<(Payment | PaymentsError)[]> {
    const request = batchChargeRequest(charges);
    const rpc = this.#stub.batchCharge.bind(this.#stub);
    return chargeOutcomes(request, await this.#calls.make(rpc, request, options));
  }

  /**
   * Refunds a payment in full or in part, and returns the refund and the updated payment.
   *
   * A refund that succeeded may fail later, even after weeks. Its amount can then be refunded again.
   *
   * @throws {@link InvalidRequest} if the request is invalid.
   * @throws {@link PaymentNotFound} if the payment does not exist.
   * @throws {@link PaymentFailed} if nothing was charged.
   * @throws {@link PaymentPending} if the outcome of the charge is not known yet.
   * @throws {@link PaymentDisputed} if the payer disputes the payment, or got the money back through a dispute.
   * @throws {@link PaymentArchived} if an operator must unarchive the payment first.
   * @throws {@link RefundExceedsPayment} if the amount exceeds the amount not yet refunded, or nothing is left to
   *   refund.
   * @throws {@link RequestIdReused} if an earlier refund used the `requestId` with different parameters.
   * @throws {@link OutcomeUnknown} if the refund may or may not have been made.
   */
  async refund(params: RefundParams, options: CallOptions = {}): Promise<RefundResult> {
    const request = refundRequest(params);
    const rpc = this.#stub.refund.bind(this.#stub);
    return refundResult(await this.#calls.make(rpc, request, options, request.requestId));
  }

  /**
   * Returns one payment, by its id, its reference, or the request_id of its charge, with its first 100 refunds and a
   * token to pass to {@link listRefunds} for the rest.
   *
   * The request_id answers what became of a charge whose response was lost. A charge that is still in flight may be
   * stored later, so retry it rather than give it up.
   *
   * @throws {@link InvalidRequest} if the id, reference or request_id is invalid.
   * @throws {@link PaymentNotFound} if the payment does not exist.
   * @throws {@link PermissionDenied} if the request_id is another caller's, without the role `payments.audit`.
   * @throws {@link OutcomeUnknown} if the service was unavailable, overloaded or failed, or the deadline passed.
   */
  async getPayment(params: GetPaymentParams, options: CallOptions = {}): Promise<PaymentDetails> {
    const rpc = this.#stub.getPayment.bind(this.#stub);
    return paymentDetails(await this.#calls.make(rpc, getRequest(params), options));
  }

  /**
   * Iterates over the refunds of a payment, oldest first. It fetches pages as needed.
   *
   * It yields, exactly once, each refund that existed when the last page was fetched. The options apply to each page.
   * The iteration, not this call, throws the errors of {@link listRefundsPage}.
   */
  listRefunds(params: ListRefundsParams, options: CallOptions = {}): AsyncGenerator<Refund, void, undefined> {
    const first = listRefundsRequest(params);
    return iteratePages(
      first.pageToken,
      (pageToken) => this.#refundPage({ ...first, pageToken }, options),
      (page) => page.refunds,
    );
  }

  /**
   * Returns one page of the refunds of a payment, oldest first.
   *
   * @throws {@link InvalidRequest} if the page size or token is invalid.
   * @throws {@link PaymentNotFound} if the payment does not exist.
   * @throws {@link OutcomeUnknown} if the service was unavailable, overloaded or failed, or the deadline passed.
   */
  async listRefundsPage(params: ListRefundsParams, options: CallOptions = {}): Promise<RefundPage> {
    return this.#refundPage(listRefundsRequest(params), options);
  }

  /**
   * Iterates over the payments that match the conditions. It fetches pages as needed.
   *
   * It yields, exactly once, each payment that existed when the first page was fetched, even while charges are being
   * made. The options apply to each page. The iteration, not this call, throws the errors of {@link listPaymentsPage}.
   */
  listPayments(params: ListPaymentsParams = {}, options: CallOptions = {}): AsyncGenerator<Payment, void, undefined> {
    const first = listRequest(params);
    return iteratePages(
      first.pageToken,
      (pageToken) => this.#paymentPage({ ...first, pageToken }, options),
      (page) => page.payments,
    );
  }

  /**
   * Returns one page of the payments that match the conditions.
   *
   * @throws {@link InvalidRequest} if a condition, the order, or the page size or token is invalid.
   * @throws {@link PermissionDenied} if the request_id is another caller's, without the role `payments.audit`.
   * @throws {@link OutcomeUnknown} if the service was unavailable, overloaded or failed, or the deadline passed.
   */
  async listPaymentsPage(params: ListPaymentsPageParams = {}, options: CallOptions = {}): Promise<PaymentPage> {
    return this.#paymentPage(listRequest(params), options);
  }

  /**
   * Iterates over the events of a payment, oldest first: what happened to it, when, and who requested it. It fetches
   * pages as needed.
   *
   * It yields, exactly once, each event that existed when the last page was fetched. Changes made by the legacy
   * service, or before events were recorded, have no event. The options apply to each page. The iteration, not this
   * call, throws the errors of {@link listPaymentEventsPage}.
   */
  listPaymentEvents(
    params: ListPaymentEventsParams,
    options: CallOptions = {},
  ): AsyncGenerator<PaymentEvent, void, undefined> {
    const first = listPaymentEventsRequest(params);
    return iteratePages(
      first.pageToken,
      (pageToken) => this.#paymentEventPage({ ...first, pageToken }, options),
      (page) => page.events,
    );
  }

  /**
   * Returns one page of the events of a payment, oldest first.
   *
   * @throws {@link InvalidRequest} if the page size or token is invalid.
   * @throws {@link PaymentNotFound} if the payment does not exist.
   * @throws {@link OutcomeUnknown} if the service was unavailable, overloaded or failed, or the deadline passed.
   */
  async listPaymentEventsPage(params: ListPaymentEventsParams, options: CallOptions = {}): Promise<PaymentEventPage> {
    return this.#paymentEventPage(listPaymentEventsRequest(params), options);
  }

  /**
   * Iterates endlessly over the changes to all payments that match the conditions, and waits for the next event.
   *
   * Delivery is at least once, and the events of one payment arrive in order. If the connection is lost, for example
   * because the service restarts, the iterator reconnects and resumes where it left off. To resume after your own
   * program crashes, save the `resumeToken` of each update once you have processed its event, and start with the last
   * one. An update without an event only carries a newer token: the first update is one of these, and another follows
   * after every few seconds without an event.
   *
   * The iterator reads responses no faster than you consume them. Leaving the loop, `return()` or the signal ends it.
   *
   * The iteration, not this call, throws:
   *
   * @throws {@link ResumeTokenExpired} if events after the token have been archived.
   * @throws {@link InvalidRequest} if the token or a condition is invalid.
   * @throws {@link OutcomeUnknown} if the service was unreachable for too long, or had an internal error.
   */
  watchPayments(
    params: WatchPaymentsParams = {},
    options: WatchOptions = {},
  ): AsyncGenerator<PaymentUpdate, void, undefined> {
    let request = watchRequest(params);
    const open = (metadata: Metadata) => this.#stub.watchPayments(request, metadata);
    const read = (response: WatchPaymentsResponse) => {
      // Before the update is yielded, because the consumer may end the iteration there.
      request = { ...request, resumeToken: response.resumeToken };
      return paymentUpdate(response);
    };
    return this.#calls.stream(open, read, options);
  }

  /** Closes the connection. Calls in flight are canceled, and later calls fail. */
  close(): void {
    this.#calls.close();
    this.#stub.close();
  }

  /** Closes the connection at the end of a block that declares the client with `using`. */
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

  async #paymentEventPage(request: ListPaymentEventsRequest, options: CallOptions): Promise<PaymentEventPage> {
    const rpc = this.#stub.listPaymentEvents.bind(this.#stub);
    return paymentEventPage(await this.#calls.make(rpc, request, options));
  }
}
