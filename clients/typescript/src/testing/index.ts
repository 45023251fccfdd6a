/** An in-memory fake of the payment service, for the unit tests of your program. It needs no network. */
export { FakePayments, type FakePaymentsOptions } from "./fake_payments.js";
export type { SimulatedSource } from "./sources.js";
