// The types of this package and of gRPC use those of Node.js, which `tsc --init` does not include by itself.
/// <reference types="node" preserve="true" />

/** A small typed client for the payment service, built on the generated stubs in `@payments/client/v1`. */
export { PreciseDate } from "@google-cloud/precise-date";
/** The gRPC module that the client uses, with `grpc.credentials.createSsl()`, `grpc.status` and `grpc.Interceptor`. */
export * as grpc from "@grpc/grpc-js";
export { Decimal } from "decimal.js";

export { PaymentsClient } from "./client.js";
export {
  DeadlineExceeded,
  type FieldViolation,
  InternalError,
  InvalidRequest,
  OrderHasPendingPayment,
  OutcomeUnknown,
  Overloaded,
  PaymentArchived,
  PaymentDisputed,
  PaymentFailed,
  PaymentNotFound,
  PaymentPending,
  PaymentsError,
  type PaymentsErrorDetails,
  type PaymentsErrorJson,
  RefundExceedsPayment,
  PermissionDenied,
  RequestIdReused,
  ResumeTokenExpired,
  Unauthenticated,
  Unavailable,
} from "./errors.js";
export type { Id } from "./ids.js";
export type {
  Dispute,
  DisputeStatus,
  Failure,
  NextAction,
  NextActionType,
  Payment,
  PaymentDetails,
  PaymentEvent,
  PaymentEventPage,
  PaymentEventType,
  PaymentMethod,
  PaymentPage,
  PaymentStatus,
  PaymentUpdate,
  Refund,
  RefundPage,
  RefundResult,
  RefundState,
  RefundStatus,
} from "./models.js";
export type { PaymentsClientOptions } from "./options.js";
export type {
  CallOptions,
  ChargeParams,
  GetPaymentParams,
  ListPaymentEventsParams,
  ListPaymentsPageParams,
  ListPaymentsParams,
  ListRefundsParams,
  PaymentConditions,
  PaymentEventConditions,
  RefundParams,
  WatchOptions,
  WatchPaymentsParams,
} from "./params.js";
export type { Transport } from "./stub.js";
