import type {
  BatchChargeRequest,
  BatchChargeResponse,
  BatchChargeResult,
  ChargeRequest,
  ChargeResponse,
  GetPaymentRequest,
  GetPaymentResponse,
  ListPaymentEventsRequest,
  ListPaymentEventsResponse,
  ListPaymentsRequest,
  ListPaymentsResponse,
  ListRefundsRequest,
  ListRefundsResponse,
  PaymentEvent,
  RefundRequest,
  RefundResponse,
  WatchPaymentsRequest,
  WatchPaymentsResponse,
} from "../generated/payments/v1/payments.js";
import { CallError, canceled, roleMissing } from "./call_errors.js";
import { canonical } from "./canonical.js";
import type { Currencies } from "./currencies.js";
import { eventCondition, paymentCondition } from "./filters.js";
import type { Ledger } from "./ledger.js";
import { CALLER, eventMessage, paymentMessage, refundMessage } from "./messages.js";
import { orderOf } from "./orders.js";
import type { EventRecord, PaymentRecord } from "./records.js";
import { InvalidValue, RequestReader } from "./request_reader.js";
import { chargeOf, chargesOf, paymentKeyOf, refundOrderOf } from "./requests.js";
import { Tokens } from "./tokens.js";
import { pageSize, positiveId } from "./values.js";

const MAX_REFUNDS_SHOWN = 100;
const RESUME_SCOPE = "resume";

/** The RPCs of the service. Each throws a CallError where the service would return an error. */
export class FakeService {
  readonly #ledger: Ledger;
  readonly #currencies: Currencies;
  readonly #tokens = new Tokens();

  constructor(ledger: Ledger, currencies: Currencies) {
    this.#ledger = ledger;
    this.#currencies = currencies;
  }

  charge(request: ChargeRequest): ChargeResponse {
    this.#ledger.settle();
    const { payment } = this.#ledger.charge(chargeOf(request, this.#currencies));
    return { payment: paymentMessage(payment) };
  }

  batchCharge(request: BatchChargeRequest, callId: string): BatchChargeResponse {
    this.#ledger.settle();
    return { results: chargesOf(request).map((charge) => this.#batchResult(charge, callId)) };
  }

  refund(request: RefundRequest): RefundResponse {
    this.#ledger.settle();
    const { refund, payment } = this.#ledger.refund(refundOrderOf(request, this.#currencies));
    return { refund: refundMessage(refund), payment: paymentMessage(payment) };
  }

  getPayment(request: GetPaymentRequest): GetPaymentResponse {
    this.#ledger.settle();
    const payment = this.#find(request);
    const { refunds, nextPageToken } = this.#refundPage(payment.paymentId, 0n, MAX_REFUNDS_SHOWN);
    return { payment: paymentMessage(payment), refunds, nextRefundsPageToken: nextPageToken };
  }

  listRefunds(request: ListRefundsRequest): ListRefundsResponse {
    this.#ledger.settle();
    const { paymentId, size, after } = this.#readPageOfPayment(request, refundsScope);
    this.#ledger.payment(paymentId);
    return this.#refundPage(paymentId, after, size);
  }

  listPayments(request: ListPaymentsRequest): ListPaymentsResponse {
    this.#ledger.settle();
    const { filter, includeTotalSize, pageToken } = request;
    const reader = new RequestReader();
    const matches = paymentCondition(reader, filter, this.#currencies);
    const order = reader.read("order_by", () => orderOf(request.orderBy));
    const size = reader.read("page_size", () => pageSize(request.pageSize));
    reader.finish();
    if (filter?.requestId !== undefined && (filter.caller ?? CALLER) !== CALLER) {
      throw roleMissing();
    }
    const scope = canonical(["payments", filter, order.name]);
    const description = "must be an unaltered next_page_token for the same filter and order_by";
    const after = reader.read("page_token", () => this.#positionOf(scope, pageToken, description));
    reader.finish();
    const all = this.#ledger.payments().filter(matches).sort(order.compare);
    const earlier = after === undefined ? undefined : this.#ledger.payment(after);
    const rest = all.filter((payment) => earlier === undefined || order.compare(payment, earlier) > 0);
    const page = this.#page(scope, rest, size, ({ paymentId }) => paymentId);
    return {
      payments: page.items.map(paymentMessage),
      nextPageToken: page.nextPageToken,
      totalSize: includeTotalSize ? BigInt(all.length) : undefined,
    };
  }

  listPaymentEvents(request: ListPaymentEventsRequest): ListPaymentEventsResponse {
    this.#ledger.settle();
    const { paymentId, size, after } = this.#readPageOfPayment(request, eventsScope);
    this.#ledger.payment(paymentId);
    const rest = this.#ledger.events.all.filter(
      ({ payment, sequence }) => payment.paymentId === paymentId && sequence > after,
    );
    const page = this.#page(eventsScope(paymentId), rest, size, ({ sequence }) => BigInt(sequence));
    return { events: page.items.map((event) => this.#eventMessage(event)), nextPageToken: page.nextPageToken };
  }

  /** Yields the events after a token, or from now on, until `stop` is aborted. It does not send heartbeats. */
  async *watchPayments(
    { filter, resumeToken }: WatchPaymentsRequest,
    stop: AbortSignal,
  ): AsyncGenerator<WatchPaymentsResponse, never, undefined> {
    this.#ledger.settle();
    const reader = new RequestReader();
    const matches = eventCondition(reader, filter);
    const description = "must be an unaltered resume_token from a WatchPayments response";
    const start = reader.read("resume_token", () => this.#positionOf(RESUME_SCOPE, resumeToken, description));
    reader.finish();
    let position = start === undefined ? this.#ledger.events.last : Number(start);
    yield { event: undefined, resumeToken: this.#resumeToken(position) };
    while (!stop.aborted) {
      this.#ledger.settle();
      const event = this.#ledger.events.next(position);
      if (event === undefined) {
        await this.#ledger.waitForEvent(stop);
        continue;
      }
      position = event.sequence;
      if (matches(event)) {
        yield { event: this.#eventMessage(event), resumeToken: this.#resumeToken(position) };
      }
    }
    throw canceled();
  }

  #batchResult(request: ChargeRequest, callId: string): BatchChargeResult {
    try {
      const { payment, replayed } = this.#ledger.charge(chargeOf(request, this.#currencies));
      return { payment: paymentMessage(payment), replayed };
    } catch (error) {
      if (!(error instanceof CallError)) {
        throw error;
      }
      return { error: error.status(callId), replayed: false };
    }
  }

  #find(request: GetPaymentRequest): PaymentRecord {
    const key = paymentKeyOf(request);
    if ("paymentId" in key) {
      return this.#ledger.payment(key.paymentId);
    }
    if ("reference" in key) {
      return this.#ledger.find(({ reference }) => reference === key.reference);
    }
    if (key.caller !== CALLER) {
      throw roleMissing();
    }
    return this.#ledger.find(({ charge }) => charge.requestId === key.requestId);
  }

  #eventMessage(event: EventRecord): PaymentEvent {
    return eventMessage(event, this.#ledger.payment(event.payment.paymentId));
  }

  /** Returns the refunds after the one with the id `after`. */
  #refundPage(paymentId: bigint, after: bigint, size: number): ListRefundsResponse {
    const rest = this.#ledger.refundsOf(paymentId).filter(({ refundId }) => refundId > after);
    const page = this.#page(refundsScope(paymentId), rest, size, ({ refundId }) => refundId);
    return { refunds: page.items.map(refundMessage), nextPageToken: page.nextPageToken };
  }

  /** Returns the first items of the rest of a list, and the token with which the list continues after them. */
  #page<Item>(scope: string, rest: readonly Item[], size: number, idOf: (item: Item) => bigint) {
    const items = rest.slice(0, size);
    const last = items.at(-1);
    const hasMore = rest.length > size && last !== undefined;
    return { items, nextPageToken: hasMore ? this.#tokens.issue(scope, idOf(last)) : "" };
  }

  #readPageOfPayment(
    request: ListRefundsRequest | ListPaymentEventsRequest,
    scopeOf: (paymentId: bigint) => string,
  ): { paymentId: bigint; size: number; after: bigint } {
    const reader = new RequestReader();
    const paymentId = reader.read("payment_id", () => positiveId(request.paymentId));
    const size = reader.read("page_size", () => pageSize(request.pageSize));
    reader.finish();
    // The token can be checked only against a valid payment_id.
    const description = "must be an unaltered token for the same payment_id";
    const after = reader.read("page_token", () => this.#positionOf(scopeOf(paymentId), request.pageToken, description));
    reader.finish();
    return { paymentId, size, after: after ?? 0n };
  }

  /** Returns the position in a token, or undefined without a token. @throws InvalidValue if it is not valid here. */
  #positionOf(scope: string, token: string, description: string): bigint | undefined {
    if (token === "") {
      return undefined;
    }
    const position = this.#tokens.position(scope, token);
    if (position === undefined) {
      throw new InvalidValue(description);
    }
    return position;
  }

  #resumeToken(position: number): string {
    return this.#tokens.issue(RESUME_SCOPE, BigInt(position));
  }
}

function refundsScope(paymentId: bigint): string {
  return `refunds of ${paymentId}`;
}

function eventsScope(paymentId: bigint): string {
  return `events of ${paymentId}`;
}
