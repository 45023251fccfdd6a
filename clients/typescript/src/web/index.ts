/** The client for browsers, which calls the service by gRPC-Web. It needs the package `nice-grpc-web`. */
export { PreciseDate } from "@google-cloud/precise-date";
export { Decimal } from "decimal.js";

export { status } from "../codes.js";
export { PaymentsClient, type PaymentsClientOptions, type TransportOptions } from "./client.js";
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
} from "../errors.js";
export type { Id } from "../ids.js";
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
} from "../models.js";
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
} from "../params.js";
export type { Transport } from "../stub.js";
