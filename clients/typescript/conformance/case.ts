/** Runs one case of `clients/conformance/cases.json` and compares its outcomes. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import {
  type ChargeParams,
  type GetPaymentParams,
  grpc,
  InvalidRequest,
  type ListPaymentEventsParams,
  type ListRefundsParams,
  OrderHasPendingPayment,
  type PaymentEvent,
  type PaymentsClient,
  PaymentsError,
  type RefundParams,
  type WatchPaymentsParams,
} from "@payments/client";

import { argumentsFrom, asJson, type Json } from "./json.js";

const WATCH_TIMEOUT_SECONDS = 30;
const EVENTUALLY_SECONDS = 30;
const EVENTUALLY_PAUSE_SECONDS = 0.1;

type JsonObject = Readonly<Record<string, Json>>;

export interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
}

interface WatchArguments extends WatchPaymentsParams {
  readonly paymentId?: number;
  readonly count: number;
}

interface Step {
  readonly call: string;
  readonly args: JsonObject;
  readonly repeat?: number;
  readonly eventually?: boolean;
  readonly result?: Json;
  readonly error?: JsonObject;
  readonly rejected_argument?: string;
}

/** An outcome differs from the expected one. The message says where and how. */
export class Mismatch extends Error {}

/** One run of a case, with the values that it saves and generates. */
export class CaseRun {
  readonly #client: PaymentsClient;
  readonly #saved = new Map<string, Json>();
  readonly #generated = new Map<string, Json>();

  constructor(client: PaymentsClient) {
    this.#client = client;
  }

  /** @throws Mismatch if an outcome differs from the expected one, even after a while if it may take time. */
  async run(step: Step): Promise<void> {
    const deadline = performance.now() + (step.eventually === true ? EVENTUALLY_SECONDS * 1_000 : 0);
    for (;;) {
      try {
        await this.#attempt(step);
        return;
      } catch (error) {
        if (!(error instanceof Mismatch) || performance.now() >= deadline) {
          throw error;
        }
        await sleep(EVENTUALLY_PAUSE_SECONDS * 1_000);
      }
    }
  }

  async #attempt(step: Step): Promise<void> {
    const args = this.#arguments(step.args);
    const calls = Array.from({ length: step.repeat ?? 1 }, () => this.#outcome(step.call, args));
    for (const outcome of await Promise.all(calls)) {
      this.#check(step, outcome);
    }
  }

  /** Makes a call and returns its result as JSON, or its error. */
  async #outcome(call: string, args: JsonObject): Promise<Json | Error> {
    try {
      return asJson(await this.#call(call, argumentsFrom(args)));
    } catch (error) {
      if (error instanceof PaymentsError || error instanceof TypeError || error instanceof RangeError) {
        return error;
      }
      throw error;
    }
  }

  async #call(call: string, params: object): Promise<unknown> {
    switch (call) {
      case "charge":
        return this.#client.charge(params as ChargeParams);
      case "batch_charge": {
        const { charges } = params as { charges: ChargeParams[] };
        const outcomes = await this.#client.batchCharge(charges);
        const results = outcomes.map((outcome) =>
          outcome instanceof PaymentsError
            ? { payment: undefined, error: errorJson(outcome) }
            : { payment: outcome, error: undefined },
        );
        return { results };
      }
      case "refund":
        return this.#client.refund(params as RefundParams);
      case "get_payment":
        return this.#client.getPayment(params as GetPaymentParams);
      case "list_refunds_page":
        return this.#client.listRefundsPage(params as ListRefundsParams);
      case "list_refunds":
        return { refunds: await allOf(this.#client.listRefunds(params as ListRefundsParams)) };
      case "list_payments_page":
        return this.#client.listPaymentsPage(params);
      case "list_payments":
        return { payments: await allOf(this.#client.listPayments(params)) };
      case "list_payment_events_page":
        return this.#client.listPaymentEventsPage(params as ListPaymentEventsParams);
      case "list_payment_events":
        return { events: await allOf(this.#client.listPaymentEvents(params as ListPaymentEventsParams)) };
      case "watch_payments":
        return this.#watch(params as WatchArguments);
      default:
        throw new Mismatch(`unknown call ${call}`);
    }
  }

  /**
   * Returns the next `count` events of one payment or of all, and the token of the last response.
   *
   * @throws Mismatch if the events do not arrive in time.
   */
  async #watch({ count, paymentId, ...params }: WatchArguments): Promise<unknown> {
    const signal = AbortSignal.timeout(WATCH_TIMEOUT_SECONDS * 1_000);
    const events: PaymentEvent[] = [];
    try {
      for await (const { event, resumeToken } of this.#client.watchPayments(params, { signal })) {
        if (event !== undefined && (paymentId === undefined || event.payment.paymentId === String(paymentId))) {
          events.push(event);
        }
        if (events.length === count) {
          return { events, resumeToken };
        }
      }
    } catch (error) {
      if (error !== signal.reason) {
        throw error;
      }
    }
    throw new Mismatch(`${events.length} of ${count} events arrived in ${WATCH_TIMEOUT_SECONDS} seconds`);
  }

  #check(step: Step, outcome: Json | Error): void {
    if (outcome instanceof PaymentsError) {
      if (step.error === undefined) {
        throw new Mismatch(`the call failed: ${describe(outcome)}`);
      }
      checkError(this.#arguments(step.error), outcome);
    } else if (outcome instanceof Error) {
      if (
        step.rejected_argument === undefined ||
        !normalize(outcome.message).includes(normalize(step.rejected_argument))
      ) {
        throw new Mismatch(`the client rejected the call: ${describe(outcome)}`);
      }
    } else if (step.result === undefined) {
      throw new Mismatch(`expected an error, but the call returned ${JSON.stringify(outcome)}`);
    } else {
      this.#match(step.result, outcome, step.call);
    }
  }

  #argument(value: Json): Json {
    const special = specialOf(value);
    if (special?.kind === "$get") {
      return this.#get(special.name);
    }
    if (special?.kind === "$new") {
      return this.#new(special.name);
    }
    if (Array.isArray(value)) {
      return value.map((item: Json) => this.#argument(item));
    }
    return isObject(value) ? this.#arguments(value) : value;
  }

  #arguments(values: JsonObject): JsonObject {
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, this.#argument(value)]));
  }

  #get(name: string): Json {
    const saved = this.#saved.get(name);
    if (saved === undefined) {
      throw new Mismatch(`no value was saved as ${name}`);
    }
    return saved;
  }

  #new(name: string): Json {
    const generated =
      this.#generated.get(name) ??
      (name.startsWith("order_id") ? 1 + Math.floor(Math.random() * Number.MAX_SAFE_INTEGER) : randomUUID());
    this.#generated.set(name, generated);
    return generated;
  }

  #match(expected: Json, actual: Json | undefined, where: string): void {
    const special = specialOf(expected);
    if (special !== undefined) {
      this.#matchSpecial(special, actual, where);
    } else if (Array.isArray(expected)) {
      if (!Array.isArray(actual) || actual.length !== expected.length) {
        throw new Mismatch(`${where} is ${JSON.stringify(actual)}, expected: ${expected.length} items`);
      }
      expected.forEach((item: Json, index) => {
        this.#match(item, actual[index] as Json, `${where}[${index}]`);
      });
    } else if (isObject(expected)) {
      if (!isObject(actual)) {
        throw new Mismatch(`${where} is ${JSON.stringify(actual)}, expected: an object`);
      }
      if (where.endsWith(".labels") && Object.keys(actual).length !== Object.keys(expected).length) {
        throw new Mismatch(`${where} is ${JSON.stringify(actual)}, expected: ${JSON.stringify(expected)}`);
      }
      for (const [name, value] of Object.entries(expected)) {
        this.#match(value, actual[name], `${where}.${name}`);
      }
    } else if (actual !== expected) {
      throw new Mismatch(`${where} is ${JSON.stringify(actual)}, expected: ${JSON.stringify(expected)}`);
    }
  }

  #matchSpecial({ kind, name }: Special, actual: Json | undefined, where: string): void {
    switch (kind) {
      case "$save":
        if (actual === undefined || actual === null) {
          throw new Mismatch(`${where} is null, expected: any other value`);
        }
        if (!this.#saved.has(name)) {
          this.#saved.set(name, actual);
        }
        this.#match(this.#get(name), actual, where);
        return;
      case "$get":
        this.#match(this.#get(name), actual, where);
        return;
      case "$new":
        this.#match(this.#new(name), actual, where);
        return;
      case "$type":
        if (!hasType(name, actual)) {
          throw new Mismatch(`${where} is ${JSON.stringify(actual)}, expected: a value of type ${name}`);
        }
    }
  }
}

/** Returns all items of an iteration. */
async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all = [];
  for await (const item of items) {
    all.push(item);
  }
  return all;
}

interface Special {
  readonly kind: "$save" | "$get" | "$new" | "$type";
  readonly name: string;
}

/** An object with one member whose name begins with `$`. */
function specialOf(value: Json): Special | undefined {
  const [member, ...others] = isObject(value) ? Object.entries(value) : [];
  const isSpecial = member?.[0].startsWith("$") === true && others.length === 0;
  return isSpecial ? ({ kind: member[0], name: member[1] } as Special) : undefined;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns whether a value has the type that `$type` names. */
function hasType(kind: string, value: Json | undefined): boolean {
  if (kind === "id") {
    return typeof value === "number" && value >= 1;
  }
  return typeof value === "string" && value !== "" && (kind !== "time" || /^\d{4}-.+T.+Z$/.test(value));
}

function errorJson(error: PaymentsError) {
  return {
    type: error.name,
    code: grpc.status[error.code],
    reason: error.reason,
    has_request_id: Boolean(error.requestId),
    payment_id: error instanceof OrderHasPendingPayment ? Number(error.paymentId) : undefined,
    violations: error instanceof InvalidRequest ? error.violations.map((violation) => violation.field) : [],
  };
}

/** @throws Mismatch if the error differs from the expected one. */
function checkError(expected: JsonObject, error: PaymentsError): void {
  const actual = errorJson(error);
  for (const [name, value] of Object.entries(expected)) {
    const matches =
      name === "violations" && Array.isArray(value)
        ? value.every((field) => actual.violations.includes(field as string))
        : actual[name as keyof typeof actual] === value;
    if (!matches) {
      throw new Mismatch(`the error's ${name} is not ${JSON.stringify(value)}: ${describe(error)}`);
    }
  }
}

function describe(error: Error): string {
  return `${error.name}: ${error.message} ${error instanceof InvalidRequest ? JSON.stringify(error.violations) : ""}`.trim();
}

/** Returns a name in lower case without underscores, so that `min_amount` equals `minAmount`. */
function normalize(name: string): string {
  return name.toLowerCase().replaceAll("_", "");
}
