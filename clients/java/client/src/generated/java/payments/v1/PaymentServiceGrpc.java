package payments.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Charges orders, refunds payments, and looks them up.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class PaymentServiceGrpc {

  private PaymentServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "payments.v1.PaymentService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<payments.v1.ChargeRequest,
      payments.v1.ChargeResponse> getChargeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Charge",
      requestType = payments.v1.ChargeRequest.class,
      responseType = payments.v1.ChargeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<payments.v1.ChargeRequest,
      payments.v1.ChargeResponse> getChargeMethod() {
    io.grpc.MethodDescriptor<payments.v1.ChargeRequest, payments.v1.ChargeResponse> getChargeMethod;
    if ((getChargeMethod = PaymentServiceGrpc.getChargeMethod) == null) {
      synchronized (PaymentServiceGrpc.class) {
        if ((getChargeMethod = PaymentServiceGrpc.getChargeMethod) == null) {
          PaymentServiceGrpc.getChargeMethod = getChargeMethod =
              io.grpc.MethodDescriptor.<payments.v1.ChargeRequest, payments.v1.ChargeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Charge"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.ChargeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.ChargeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new PaymentServiceMethodDescriptorSupplier("Charge"))
              .build();
        }
      }
    }
    return getChargeMethod;
  }

  private static volatile io.grpc.MethodDescriptor<payments.v1.BatchChargeRequest,
      payments.v1.BatchChargeResponse> getBatchChargeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "BatchCharge",
      requestType = payments.v1.BatchChargeRequest.class,
      responseType = payments.v1.BatchChargeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<payments.v1.BatchChargeRequest,
      payments.v1.BatchChargeResponse> getBatchChargeMethod() {
    io.grpc.MethodDescriptor<payments.v1.BatchChargeRequest, payments.v1.BatchChargeResponse> getBatchChargeMethod;
    if ((getBatchChargeMethod = PaymentServiceGrpc.getBatchChargeMethod) == null) {
      synchronized (PaymentServiceGrpc.class) {
        if ((getBatchChargeMethod = PaymentServiceGrpc.getBatchChargeMethod) == null) {
          PaymentServiceGrpc.getBatchChargeMethod = getBatchChargeMethod =
              io.grpc.MethodDescriptor.<payments.v1.BatchChargeRequest, payments.v1.BatchChargeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "BatchCharge"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.BatchChargeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.BatchChargeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new PaymentServiceMethodDescriptorSupplier("BatchCharge"))
              .build();
        }
      }
    }
    return getBatchChargeMethod;
  }

  private static volatile io.grpc.MethodDescriptor<payments.v1.RefundRequest,
      payments.v1.RefundResponse> getRefundMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Refund",
      requestType = payments.v1.RefundRequest.class,
      responseType = payments.v1.RefundResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<payments.v1.RefundRequest,
      payments.v1.RefundResponse> getRefundMethod() {
    io.grpc.MethodDescriptor<payments.v1.RefundRequest, payments.v1.RefundResponse> getRefundMethod;
    if ((getRefundMethod = PaymentServiceGrpc.getRefundMethod) == null) {
      synchronized (PaymentServiceGrpc.class) {
        if ((getRefundMethod = PaymentServiceGrpc.getRefundMethod) == null) {
          PaymentServiceGrpc.getRefundMethod = getRefundMethod =
              io.grpc.MethodDescriptor.<payments.v1.RefundRequest, payments.v1.RefundResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Refund"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.RefundRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.RefundResponse.getDefaultInstance()))
              .setSchemaDescriptor(new PaymentServiceMethodDescriptorSupplier("Refund"))
              .build();
        }
      }
    }
    return getRefundMethod;
  }

  private static volatile io.grpc.MethodDescriptor<payments.v1.GetPaymentRequest,
      payments.v1.GetPaymentResponse> getGetPaymentMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetPayment",
      requestType = payments.v1.GetPaymentRequest.class,
      responseType = payments.v1.GetPaymentResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<payments.v1.GetPaymentRequest,
      payments.v1.GetPaymentResponse> getGetPaymentMethod() {
    io.grpc.MethodDescriptor<payments.v1.GetPaymentRequest, payments.v1.GetPaymentResponse> getGetPaymentMethod;
    if ((getGetPaymentMethod = PaymentServiceGrpc.getGetPaymentMethod) == null) {
      synchronized (PaymentServiceGrpc.class) {
        if ((getGetPaymentMethod = PaymentServiceGrpc.getGetPaymentMethod) == null) {
          PaymentServiceGrpc.getGetPaymentMethod = getGetPaymentMethod =
              io.grpc.MethodDescriptor.<payments.v1.GetPaymentRequest, payments.v1.GetPaymentResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetPayment"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.GetPaymentRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.GetPaymentResponse.getDefaultInstance()))
              .setSchemaDescriptor(new PaymentServiceMethodDescriptorSupplier("GetPayment"))
              .build();
        }
      }
    }
    return getGetPaymentMethod;
  }

  private static volatile io.grpc.MethodDescriptor<payments.v1.ListRefundsRequest,
      payments.v1.ListRefundsResponse> getListRefundsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListRefunds",
      requestType = payments.v1.ListRefundsRequest.class,
      responseType = payments.v1.ListRefundsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<payments.v1.ListRefundsRequest,
      payments.v1.ListRefundsResponse> getListRefundsMethod() {
    io.grpc.MethodDescriptor<payments.v1.ListRefundsRequest, payments.v1.ListRefundsResponse> getListRefundsMethod;
    if ((getListRefundsMethod = PaymentServiceGrpc.getListRefundsMethod) == null) {
      synchronized (PaymentServiceGrpc.class) {
        if ((getListRefundsMethod = PaymentServiceGrpc.getListRefundsMethod) == null) {
          PaymentServiceGrpc.getListRefundsMethod = getListRefundsMethod =
              io.grpc.MethodDescriptor.<payments.v1.ListRefundsRequest, payments.v1.ListRefundsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListRefunds"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.ListRefundsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.ListRefundsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new PaymentServiceMethodDescriptorSupplier("ListRefunds"))
              .build();
        }
      }
    }
    return getListRefundsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<payments.v1.ListPaymentsRequest,
      payments.v1.ListPaymentsResponse> getListPaymentsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListPayments",
      requestType = payments.v1.ListPaymentsRequest.class,
      responseType = payments.v1.ListPaymentsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<payments.v1.ListPaymentsRequest,
      payments.v1.ListPaymentsResponse> getListPaymentsMethod() {
    io.grpc.MethodDescriptor<payments.v1.ListPaymentsRequest, payments.v1.ListPaymentsResponse> getListPaymentsMethod;
    if ((getListPaymentsMethod = PaymentServiceGrpc.getListPaymentsMethod) == null) {
      synchronized (PaymentServiceGrpc.class) {
        if ((getListPaymentsMethod = PaymentServiceGrpc.getListPaymentsMethod) == null) {
          PaymentServiceGrpc.getListPaymentsMethod = getListPaymentsMethod =
              io.grpc.MethodDescriptor.<payments.v1.ListPaymentsRequest, payments.v1.ListPaymentsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListPayments"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.ListPaymentsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.ListPaymentsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new PaymentServiceMethodDescriptorSupplier("ListPayments"))
              .build();
        }
      }
    }
    return getListPaymentsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<payments.v1.ListPaymentEventsRequest,
      payments.v1.ListPaymentEventsResponse> getListPaymentEventsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListPaymentEvents",
      requestType = payments.v1.ListPaymentEventsRequest.class,
      responseType = payments.v1.ListPaymentEventsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<payments.v1.ListPaymentEventsRequest,
      payments.v1.ListPaymentEventsResponse> getListPaymentEventsMethod() {
    io.grpc.MethodDescriptor<payments.v1.ListPaymentEventsRequest, payments.v1.ListPaymentEventsResponse> getListPaymentEventsMethod;
    if ((getListPaymentEventsMethod = PaymentServiceGrpc.getListPaymentEventsMethod) == null) {
      synchronized (PaymentServiceGrpc.class) {
        if ((getListPaymentEventsMethod = PaymentServiceGrpc.getListPaymentEventsMethod) == null) {
          PaymentServiceGrpc.getListPaymentEventsMethod = getListPaymentEventsMethod =
              io.grpc.MethodDescriptor.<payments.v1.ListPaymentEventsRequest, payments.v1.ListPaymentEventsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListPaymentEvents"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.ListPaymentEventsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.ListPaymentEventsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new PaymentServiceMethodDescriptorSupplier("ListPaymentEvents"))
              .build();
        }
      }
    }
    return getListPaymentEventsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<payments.v1.WatchPaymentsRequest,
      payments.v1.WatchPaymentsResponse> getWatchPaymentsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchPayments",
      requestType = payments.v1.WatchPaymentsRequest.class,
      responseType = payments.v1.WatchPaymentsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<payments.v1.WatchPaymentsRequest,
      payments.v1.WatchPaymentsResponse> getWatchPaymentsMethod() {
    io.grpc.MethodDescriptor<payments.v1.WatchPaymentsRequest, payments.v1.WatchPaymentsResponse> getWatchPaymentsMethod;
    if ((getWatchPaymentsMethod = PaymentServiceGrpc.getWatchPaymentsMethod) == null) {
      synchronized (PaymentServiceGrpc.class) {
        if ((getWatchPaymentsMethod = PaymentServiceGrpc.getWatchPaymentsMethod) == null) {
          PaymentServiceGrpc.getWatchPaymentsMethod = getWatchPaymentsMethod =
              io.grpc.MethodDescriptor.<payments.v1.WatchPaymentsRequest, payments.v1.WatchPaymentsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchPayments"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.WatchPaymentsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  payments.v1.WatchPaymentsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new PaymentServiceMethodDescriptorSupplier("WatchPayments"))
              .build();
        }
      }
    }
    return getWatchPaymentsMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static PaymentServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<PaymentServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<PaymentServiceStub>() {
        @java.lang.Override
        public PaymentServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new PaymentServiceStub(channel, callOptions);
        }
      };
    return PaymentServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static PaymentServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<PaymentServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<PaymentServiceBlockingV2Stub>() {
        @java.lang.Override
        public PaymentServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new PaymentServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return PaymentServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static PaymentServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<PaymentServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<PaymentServiceBlockingStub>() {
        @java.lang.Override
        public PaymentServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new PaymentServiceBlockingStub(channel, callOptions);
        }
      };
    return PaymentServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static PaymentServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<PaymentServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<PaymentServiceFutureStub>() {
        @java.lang.Override
        public PaymentServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new PaymentServiceFutureStub(channel, callOptions);
        }
      };
    return PaymentServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Charges orders, refunds payments, and looks them up.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Charges an order: submits the charge to the payment processor, stores the outcome as a payment, and returns it.
     * A declined charge is not an error: it is a payment with status FAILED. If the processor has not answered shortly
     * before the deadline, or the payer must approve the payment first (`Payment.next_action`), the call returns the
     * payment with status PENDING. The payment becomes SUCCEEDED or FAILED later; GetPayment, WatchPayments, or a retry
     * of the same call returns the outcome. Safe to retry with the same `request_id`.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), ALREADY_EXISTS (`REQUEST_ID_REUSED`: an earlier charge used this
     * `request_id` with different parameters), FAILED_PRECONDITION (`ORDER_HAS_PENDING_PAYMENT`: only with
     * `unless_pending`).
     * </pre>
     */
    default void charge(payments.v1.ChargeRequest request,
        io.grpc.stub.StreamObserver<payments.v1.ChargeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getChargeMethod(), responseObserver);
    }

    /**
     * <pre>
     * Makes many charges at a fraction of the cost of separate Charge calls, and returns the outcome of each.
     * The charges are independent: each has its own `request_id`, outcome and error, and one that fails does not affect
     * the others. The batch is not atomic: if the call itself fails, some of its charges may have been made. A retry with
     * the same request_ids returns their outcomes and makes the remaining charges.
     * Over REST, each charge without a `request_id` gets one that is derived from the header `Idempotency-Key` and the
     * charge's position in the batch, so a retry with the same charges in the same order is safe. A charge with a
     * `request_id` keeps it. A key used for a batch never collides with the same key used for Charge.
     * Errors of the call: INVALID_ARGUMENT (`INVALID_REQUEST`: the batch is empty or too large). Errors of a charge are
     * in its result: the same as for Charge, with field names relative to that charge.
     * </pre>
     */
    default void batchCharge(payments.v1.BatchChargeRequest request,
        io.grpc.stub.StreamObserver<payments.v1.BatchChargeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getBatchChargeMethod(), responseObserver);
    }

    /**
     * <pre>
     * Refunds a payment in full or in part. The refunds of a payment never exceed the amount that was charged.
     * If the processor has not answered shortly before the deadline, the call returns the refund with status PENDING. It
     * becomes SUCCEEDED or FAILED later. A pending refund counts as refunded; if the processor rejects it, it becomes
     * FAILED and its amount can be refunded again. The same happens if a refund fails after it succeeded, for example
     * because the payer's account is closed, which can take weeks.
     * Safe to retry with the same `request_id`. Without a `request_id`, a full refund of a payment that is already fully
     * refunded returns the last refund.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`), FAILED_PRECONDITION
     * (`PAYMENT_FAILED`: nothing was charged; `PAYMENT_PENDING`: the outcome of the charge is not known yet;
     * `REFUND_EXCEEDS_PAYMENT`: the amount exceeds what is left to refund; `PAYMENT_DISPUTED`: the payer disputes the
     * payment, or has got it back by a dispute; `PAYMENT_ARCHIVED`: an operator must unarchive the payment first),
     * ALREADY_EXISTS (`REQUEST_ID_REUSED`).
     * </pre>
     */
    default void refund(payments.v1.RefundRequest request,
        io.grpc.stub.StreamObserver<payments.v1.RefundResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRefundMethod(), responseObserver);
    }

    /**
     * <pre>
     * Gets one payment by its id, its reference, or the `request_id` of its charge, with its oldest refunds.
     * The `request_id` answers what became of a charge whose response was lost: NOT_FOUND means that nothing was charged
     * when the call was made. A charge that is still in flight may be stored later, so retry it rather than give it up.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`), PERMISSION_DENIED (`ROLE_MISSING`:
     * another caller's `request_id` requires the role `payments.audit`).
     * </pre>
     */
    default void getPayment(payments.v1.GetPaymentRequest request,
        io.grpc.stub.StreamObserver<payments.v1.GetPaymentResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetPaymentMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the refunds of a payment, one page at a time, oldest first.
     * Following `next_page_token` to the end returns, exactly once, every refund that existed when the last page was
     * read.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`).
     * </pre>
     */
    default void listRefunds(payments.v1.ListRefundsRequest request,
        io.grpc.stub.StreamObserver<payments.v1.ListRefundsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListRefundsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the payments that match a filter, one page at a time, newest first by default.
     * Following `next_page_token` to the end returns, exactly once, every payment that existed when the first page was
     * read, even while charges are being made.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), PERMISSION_DENIED (`ROLE_MISSING`: another caller's `request_id`
     * requires the role `payments.audit`).
     * </pre>
     */
    default void listPayments(payments.v1.ListPaymentsRequest request,
        io.grpc.stub.StreamObserver<payments.v1.ListPaymentsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListPaymentsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the events of one payment, one page at a time, oldest first: what happened to it, when, and who requested it.
     * Every change that was answered before the call has its event on one of the pages, even if the payment is archived.
     * Changes made by the legacy service, or before events were recorded, have none, so the list may be empty. Following
     * `next_page_token` to the end returns, exactly once, every event that existed when the last page was read.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`).
     * </pre>
     */
    default void listPaymentEvents(payments.v1.ListPaymentEventsRequest request,
        io.grpc.stub.StreamObserver<payments.v1.ListPaymentEventsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListPaymentEventsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Streams the changes to all payments that match a filter, from now on or from a resume token, until the caller
     * cancels.
     * Delivery is at least once, and the changes to one payment arrive in the order in which they were committed. Each
     * response has a `resume_token`. Save the token of the last response whose event you have processed, and pass it to
     * resume after the stream ends for any reason (a restart of the service ends it with UNAVAILABLE). A stream that
     * resumes from a token misses no later event and repeats no earlier one.
     * Over REST, each response is one line of JSON, `{"result": ...}`. With `Accept: text/event-stream`, responses are
     * server-sent events whose id is the resume token.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), FAILED_PRECONDITION (`RESUME_TOKEN_EXPIRED`: events after the token
     * have been archived, or the database was restored to a time before it), RESOURCE_EXHAUSTED (`TOO_MANY_WATCHES`: this
     * replica or this caller has reached its limit of streams), UNAVAILABLE (`READER_TOO_SLOW`: the client did not read
     * for too long; resume from the last token).
     * </pre>
     */
    default void watchPayments(payments.v1.WatchPaymentsRequest request,
        io.grpc.stub.StreamObserver<payments.v1.WatchPaymentsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchPaymentsMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service PaymentService.
   * <pre>
   * Charges orders, refunds payments, and looks them up.
   * </pre>
   */
  public static abstract class PaymentServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return PaymentServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service PaymentService.
   * <pre>
   * Charges orders, refunds payments, and looks them up.
   * </pre>
   */
  public static final class PaymentServiceStub
      extends io.grpc.stub.AbstractAsyncStub<PaymentServiceStub> {
    private PaymentServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected PaymentServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new PaymentServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Charges an order: submits the charge to the payment processor, stores the outcome as a payment, and returns it.
     * A declined charge is not an error: it is a payment with status FAILED. If the processor has not answered shortly
     * before the deadline, or the payer must approve the payment first (`Payment.next_action`), the call returns the
     * payment with status PENDING. The payment becomes SUCCEEDED or FAILED later; GetPayment, WatchPayments, or a retry
     * of the same call returns the outcome. Safe to retry with the same `request_id`.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), ALREADY_EXISTS (`REQUEST_ID_REUSED`: an earlier charge used this
     * `request_id` with different parameters), FAILED_PRECONDITION (`ORDER_HAS_PENDING_PAYMENT`: only with
     * `unless_pending`).
     * </pre>
     */
    public void charge(payments.v1.ChargeRequest request,
        io.grpc.stub.StreamObserver<payments.v1.ChargeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getChargeMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Makes many charges at a fraction of the cost of separate Charge calls, and returns the outcome of each.
     * The charges are independent: each has its own `request_id`, outcome and error, and one that fails does not affect
     * the others. The batch is not atomic: if the call itself fails, some of its charges may have been made. A retry with
     * the same request_ids returns their outcomes and makes the remaining charges.
     * Over REST, each charge without a `request_id` gets one that is derived from the header `Idempotency-Key` and the
     * charge's position in the batch, so a retry with the same charges in the same order is safe. A charge with a
     * `request_id` keeps it. A key used for a batch never collides with the same key used for Charge.
     * Errors of the call: INVALID_ARGUMENT (`INVALID_REQUEST`: the batch is empty or too large). Errors of a charge are
     * in its result: the same as for Charge, with field names relative to that charge.
     * </pre>
     */
    public void batchCharge(payments.v1.BatchChargeRequest request,
        io.grpc.stub.StreamObserver<payments.v1.BatchChargeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getBatchChargeMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Refunds a payment in full or in part. The refunds of a payment never exceed the amount that was charged.
     * If the processor has not answered shortly before the deadline, the call returns the refund with status PENDING. It
     * becomes SUCCEEDED or FAILED later. A pending refund counts as refunded; if the processor rejects it, it becomes
     * FAILED and its amount can be refunded again. The same happens if a refund fails after it succeeded, for example
     * because the payer's account is closed, which can take weeks.
     * Safe to retry with the same `request_id`. Without a `request_id`, a full refund of a payment that is already fully
     * refunded returns the last refund.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`), FAILED_PRECONDITION
     * (`PAYMENT_FAILED`: nothing was charged; `PAYMENT_PENDING`: the outcome of the charge is not known yet;
     * `REFUND_EXCEEDS_PAYMENT`: the amount exceeds what is left to refund; `PAYMENT_DISPUTED`: the payer disputes the
     * payment, or has got it back by a dispute; `PAYMENT_ARCHIVED`: an operator must unarchive the payment first),
     * ALREADY_EXISTS (`REQUEST_ID_REUSED`).
     * </pre>
     */
    public void refund(payments.v1.RefundRequest request,
        io.grpc.stub.StreamObserver<payments.v1.RefundResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRefundMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Gets one payment by its id, its reference, or the `request_id` of its charge, with its oldest refunds.
     * The `request_id` answers what became of a charge whose response was lost: NOT_FOUND means that nothing was charged
     * when the call was made. A charge that is still in flight may be stored later, so retry it rather than give it up.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`), PERMISSION_DENIED (`ROLE_MISSING`:
     * another caller's `request_id` requires the role `payments.audit`).
     * </pre>
     */
    public void getPayment(payments.v1.GetPaymentRequest request,
        io.grpc.stub.StreamObserver<payments.v1.GetPaymentResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetPaymentMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the refunds of a payment, one page at a time, oldest first.
     * Following `next_page_token` to the end returns, exactly once, every refund that existed when the last page was
     * read.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`).
     * </pre>
     */
    public void listRefunds(payments.v1.ListRefundsRequest request,
        io.grpc.stub.StreamObserver<payments.v1.ListRefundsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListRefundsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the payments that match a filter, one page at a time, newest first by default.
     * Following `next_page_token` to the end returns, exactly once, every payment that existed when the first page was
     * read, even while charges are being made.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), PERMISSION_DENIED (`ROLE_MISSING`: another caller's `request_id`
     * requires the role `payments.audit`).
     * </pre>
     */
    public void listPayments(payments.v1.ListPaymentsRequest request,
        io.grpc.stub.StreamObserver<payments.v1.ListPaymentsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListPaymentsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the events of one payment, one page at a time, oldest first: what happened to it, when, and who requested it.
     * Every change that was answered before the call has its event on one of the pages, even if the payment is archived.
     * Changes made by the legacy service, or before events were recorded, have none, so the list may be empty. Following
     * `next_page_token` to the end returns, exactly once, every event that existed when the last page was read.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`).
     * </pre>
     */
    public void listPaymentEvents(payments.v1.ListPaymentEventsRequest request,
        io.grpc.stub.StreamObserver<payments.v1.ListPaymentEventsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListPaymentEventsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Streams the changes to all payments that match a filter, from now on or from a resume token, until the caller
     * cancels.
     * Delivery is at least once, and the changes to one payment arrive in the order in which they were committed. Each
     * response has a `resume_token`. Save the token of the last response whose event you have processed, and pass it to
     * resume after the stream ends for any reason (a restart of the service ends it with UNAVAILABLE). A stream that
     * resumes from a token misses no later event and repeats no earlier one.
     * Over REST, each response is one line of JSON, `{"result": ...}`. With `Accept: text/event-stream`, responses are
     * server-sent events whose id is the resume token.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), FAILED_PRECONDITION (`RESUME_TOKEN_EXPIRED`: events after the token
     * have been archived, or the database was restored to a time before it), RESOURCE_EXHAUSTED (`TOO_MANY_WATCHES`: this
     * replica or this caller has reached its limit of streams), UNAVAILABLE (`READER_TOO_SLOW`: the client did not read
     * for too long; resume from the last token).
     * </pre>
     */
    public void watchPayments(payments.v1.WatchPaymentsRequest request,
        io.grpc.stub.StreamObserver<payments.v1.WatchPaymentsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchPaymentsMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service PaymentService.
   * <pre>
   * Charges orders, refunds payments, and looks them up.
   * </pre>
   */
  public static final class PaymentServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<PaymentServiceBlockingV2Stub> {
    private PaymentServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected PaymentServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new PaymentServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Charges an order: submits the charge to the payment processor, stores the outcome as a payment, and returns it.
     * A declined charge is not an error: it is a payment with status FAILED. If the processor has not answered shortly
     * before the deadline, or the payer must approve the payment first (`Payment.next_action`), the call returns the
     * payment with status PENDING. The payment becomes SUCCEEDED or FAILED later; GetPayment, WatchPayments, or a retry
     * of the same call returns the outcome. Safe to retry with the same `request_id`.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), ALREADY_EXISTS (`REQUEST_ID_REUSED`: an earlier charge used this
     * `request_id` with different parameters), FAILED_PRECONDITION (`ORDER_HAS_PENDING_PAYMENT`: only with
     * `unless_pending`).
     * </pre>
     */
    public payments.v1.ChargeResponse charge(payments.v1.ChargeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getChargeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Makes many charges at a fraction of the cost of separate Charge calls, and returns the outcome of each.
     * The charges are independent: each has its own `request_id`, outcome and error, and one that fails does not affect
     * the others. The batch is not atomic: if the call itself fails, some of its charges may have been made. A retry with
     * the same request_ids returns their outcomes and makes the remaining charges.
     * Over REST, each charge without a `request_id` gets one that is derived from the header `Idempotency-Key` and the
     * charge's position in the batch, so a retry with the same charges in the same order is safe. A charge with a
     * `request_id` keeps it. A key used for a batch never collides with the same key used for Charge.
     * Errors of the call: INVALID_ARGUMENT (`INVALID_REQUEST`: the batch is empty or too large). Errors of a charge are
     * in its result: the same as for Charge, with field names relative to that charge.
     * </pre>
     */
    public payments.v1.BatchChargeResponse batchCharge(payments.v1.BatchChargeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getBatchChargeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Refunds a payment in full or in part. The refunds of a payment never exceed the amount that was charged.
     * If the processor has not answered shortly before the deadline, the call returns the refund with status PENDING. It
     * becomes SUCCEEDED or FAILED later. A pending refund counts as refunded; if the processor rejects it, it becomes
     * FAILED and its amount can be refunded again. The same happens if a refund fails after it succeeded, for example
     * because the payer's account is closed, which can take weeks.
     * Safe to retry with the same `request_id`. Without a `request_id`, a full refund of a payment that is already fully
     * refunded returns the last refund.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`), FAILED_PRECONDITION
     * (`PAYMENT_FAILED`: nothing was charged; `PAYMENT_PENDING`: the outcome of the charge is not known yet;
     * `REFUND_EXCEEDS_PAYMENT`: the amount exceeds what is left to refund; `PAYMENT_DISPUTED`: the payer disputes the
     * payment, or has got it back by a dispute; `PAYMENT_ARCHIVED`: an operator must unarchive the payment first),
     * ALREADY_EXISTS (`REQUEST_ID_REUSED`).
     * </pre>
     */
    public payments.v1.RefundResponse refund(payments.v1.RefundRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRefundMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Gets one payment by its id, its reference, or the `request_id` of its charge, with its oldest refunds.
     * The `request_id` answers what became of a charge whose response was lost: NOT_FOUND means that nothing was charged
     * when the call was made. A charge that is still in flight may be stored later, so retry it rather than give it up.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`), PERMISSION_DENIED (`ROLE_MISSING`:
     * another caller's `request_id` requires the role `payments.audit`).
     * </pre>
     */
    public payments.v1.GetPaymentResponse getPayment(payments.v1.GetPaymentRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetPaymentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the refunds of a payment, one page at a time, oldest first.
     * Following `next_page_token` to the end returns, exactly once, every refund that existed when the last page was
     * read.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`).
     * </pre>
     */
    public payments.v1.ListRefundsResponse listRefunds(payments.v1.ListRefundsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListRefundsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the payments that match a filter, one page at a time, newest first by default.
     * Following `next_page_token` to the end returns, exactly once, every payment that existed when the first page was
     * read, even while charges are being made.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), PERMISSION_DENIED (`ROLE_MISSING`: another caller's `request_id`
     * requires the role `payments.audit`).
     * </pre>
     */
    public payments.v1.ListPaymentsResponse listPayments(payments.v1.ListPaymentsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListPaymentsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the events of one payment, one page at a time, oldest first: what happened to it, when, and who requested it.
     * Every change that was answered before the call has its event on one of the pages, even if the payment is archived.
     * Changes made by the legacy service, or before events were recorded, have none, so the list may be empty. Following
     * `next_page_token` to the end returns, exactly once, every event that existed when the last page was read.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`).
     * </pre>
     */
    public payments.v1.ListPaymentEventsResponse listPaymentEvents(payments.v1.ListPaymentEventsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListPaymentEventsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Streams the changes to all payments that match a filter, from now on or from a resume token, until the caller
     * cancels.
     * Delivery is at least once, and the changes to one payment arrive in the order in which they were committed. Each
     * response has a `resume_token`. Save the token of the last response whose event you have processed, and pass it to
     * resume after the stream ends for any reason (a restart of the service ends it with UNAVAILABLE). A stream that
     * resumes from a token misses no later event and repeats no earlier one.
     * Over REST, each response is one line of JSON, `{"result": ...}`. With `Accept: text/event-stream`, responses are
     * server-sent events whose id is the resume token.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), FAILED_PRECONDITION (`RESUME_TOKEN_EXPIRED`: events after the token
     * have been archived, or the database was restored to a time before it), RESOURCE_EXHAUSTED (`TOO_MANY_WATCHES`: this
     * replica or this caller has reached its limit of streams), UNAVAILABLE (`READER_TOO_SLOW`: the client did not read
     * for too long; resume from the last token).
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, payments.v1.WatchPaymentsResponse>
        watchPayments(payments.v1.WatchPaymentsRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchPaymentsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service PaymentService.
   * <pre>
   * Charges orders, refunds payments, and looks them up.
   * </pre>
   */
  public static final class PaymentServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<PaymentServiceBlockingStub> {
    private PaymentServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected PaymentServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new PaymentServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Charges an order: submits the charge to the payment processor, stores the outcome as a payment, and returns it.
     * A declined charge is not an error: it is a payment with status FAILED. If the processor has not answered shortly
     * before the deadline, or the payer must approve the payment first (`Payment.next_action`), the call returns the
     * payment with status PENDING. The payment becomes SUCCEEDED or FAILED later; GetPayment, WatchPayments, or a retry
     * of the same call returns the outcome. Safe to retry with the same `request_id`.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), ALREADY_EXISTS (`REQUEST_ID_REUSED`: an earlier charge used this
     * `request_id` with different parameters), FAILED_PRECONDITION (`ORDER_HAS_PENDING_PAYMENT`: only with
     * `unless_pending`).
     * </pre>
     */
    public payments.v1.ChargeResponse charge(payments.v1.ChargeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getChargeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Makes many charges at a fraction of the cost of separate Charge calls, and returns the outcome of each.
     * The charges are independent: each has its own `request_id`, outcome and error, and one that fails does not affect
     * the others. The batch is not atomic: if the call itself fails, some of its charges may have been made. A retry with
     * the same request_ids returns their outcomes and makes the remaining charges.
     * Over REST, each charge without a `request_id` gets one that is derived from the header `Idempotency-Key` and the
     * charge's position in the batch, so a retry with the same charges in the same order is safe. A charge with a
     * `request_id` keeps it. A key used for a batch never collides with the same key used for Charge.
     * Errors of the call: INVALID_ARGUMENT (`INVALID_REQUEST`: the batch is empty or too large). Errors of a charge are
     * in its result: the same as for Charge, with field names relative to that charge.
     * </pre>
     */
    public payments.v1.BatchChargeResponse batchCharge(payments.v1.BatchChargeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getBatchChargeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Refunds a payment in full or in part. The refunds of a payment never exceed the amount that was charged.
     * If the processor has not answered shortly before the deadline, the call returns the refund with status PENDING. It
     * becomes SUCCEEDED or FAILED later. A pending refund counts as refunded; if the processor rejects it, it becomes
     * FAILED and its amount can be refunded again. The same happens if a refund fails after it succeeded, for example
     * because the payer's account is closed, which can take weeks.
     * Safe to retry with the same `request_id`. Without a `request_id`, a full refund of a payment that is already fully
     * refunded returns the last refund.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`), FAILED_PRECONDITION
     * (`PAYMENT_FAILED`: nothing was charged; `PAYMENT_PENDING`: the outcome of the charge is not known yet;
     * `REFUND_EXCEEDS_PAYMENT`: the amount exceeds what is left to refund; `PAYMENT_DISPUTED`: the payer disputes the
     * payment, or has got it back by a dispute; `PAYMENT_ARCHIVED`: an operator must unarchive the payment first),
     * ALREADY_EXISTS (`REQUEST_ID_REUSED`).
     * </pre>
     */
    public payments.v1.RefundResponse refund(payments.v1.RefundRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRefundMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Gets one payment by its id, its reference, or the `request_id` of its charge, with its oldest refunds.
     * The `request_id` answers what became of a charge whose response was lost: NOT_FOUND means that nothing was charged
     * when the call was made. A charge that is still in flight may be stored later, so retry it rather than give it up.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`), PERMISSION_DENIED (`ROLE_MISSING`:
     * another caller's `request_id` requires the role `payments.audit`).
     * </pre>
     */
    public payments.v1.GetPaymentResponse getPayment(payments.v1.GetPaymentRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetPaymentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the refunds of a payment, one page at a time, oldest first.
     * Following `next_page_token` to the end returns, exactly once, every refund that existed when the last page was
     * read.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`).
     * </pre>
     */
    public payments.v1.ListRefundsResponse listRefunds(payments.v1.ListRefundsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListRefundsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the payments that match a filter, one page at a time, newest first by default.
     * Following `next_page_token` to the end returns, exactly once, every payment that existed when the first page was
     * read, even while charges are being made.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), PERMISSION_DENIED (`ROLE_MISSING`: another caller's `request_id`
     * requires the role `payments.audit`).
     * </pre>
     */
    public payments.v1.ListPaymentsResponse listPayments(payments.v1.ListPaymentsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListPaymentsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the events of one payment, one page at a time, oldest first: what happened to it, when, and who requested it.
     * Every change that was answered before the call has its event on one of the pages, even if the payment is archived.
     * Changes made by the legacy service, or before events were recorded, have none, so the list may be empty. Following
     * `next_page_token` to the end returns, exactly once, every event that existed when the last page was read.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`).
     * </pre>
     */
    public payments.v1.ListPaymentEventsResponse listPaymentEvents(payments.v1.ListPaymentEventsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListPaymentEventsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Streams the changes to all payments that match a filter, from now on or from a resume token, until the caller
     * cancels.
     * Delivery is at least once, and the changes to one payment arrive in the order in which they were committed. Each
     * response has a `resume_token`. Save the token of the last response whose event you have processed, and pass it to
     * resume after the stream ends for any reason (a restart of the service ends it with UNAVAILABLE). A stream that
     * resumes from a token misses no later event and repeats no earlier one.
     * Over REST, each response is one line of JSON, `{"result": ...}`. With `Accept: text/event-stream`, responses are
     * server-sent events whose id is the resume token.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), FAILED_PRECONDITION (`RESUME_TOKEN_EXPIRED`: events after the token
     * have been archived, or the database was restored to a time before it), RESOURCE_EXHAUSTED (`TOO_MANY_WATCHES`: this
     * replica or this caller has reached its limit of streams), UNAVAILABLE (`READER_TOO_SLOW`: the client did not read
     * for too long; resume from the last token).
     * </pre>
     */
    public java.util.Iterator<payments.v1.WatchPaymentsResponse> watchPayments(
        payments.v1.WatchPaymentsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchPaymentsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service PaymentService.
   * <pre>
   * Charges orders, refunds payments, and looks them up.
   * </pre>
   */
  public static final class PaymentServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<PaymentServiceFutureStub> {
    private PaymentServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected PaymentServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new PaymentServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Charges an order: submits the charge to the payment processor, stores the outcome as a payment, and returns it.
     * A declined charge is not an error: it is a payment with status FAILED. If the processor has not answered shortly
     * before the deadline, or the payer must approve the payment first (`Payment.next_action`), the call returns the
     * payment with status PENDING. The payment becomes SUCCEEDED or FAILED later; GetPayment, WatchPayments, or a retry
     * of the same call returns the outcome. Safe to retry with the same `request_id`.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), ALREADY_EXISTS (`REQUEST_ID_REUSED`: an earlier charge used this
     * `request_id` with different parameters), FAILED_PRECONDITION (`ORDER_HAS_PENDING_PAYMENT`: only with
     * `unless_pending`).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<payments.v1.ChargeResponse> charge(
        payments.v1.ChargeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getChargeMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Makes many charges at a fraction of the cost of separate Charge calls, and returns the outcome of each.
     * The charges are independent: each has its own `request_id`, outcome and error, and one that fails does not affect
     * the others. The batch is not atomic: if the call itself fails, some of its charges may have been made. A retry with
     * the same request_ids returns their outcomes and makes the remaining charges.
     * Over REST, each charge without a `request_id` gets one that is derived from the header `Idempotency-Key` and the
     * charge's position in the batch, so a retry with the same charges in the same order is safe. A charge with a
     * `request_id` keeps it. A key used for a batch never collides with the same key used for Charge.
     * Errors of the call: INVALID_ARGUMENT (`INVALID_REQUEST`: the batch is empty or too large). Errors of a charge are
     * in its result: the same as for Charge, with field names relative to that charge.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<payments.v1.BatchChargeResponse> batchCharge(
        payments.v1.BatchChargeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getBatchChargeMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Refunds a payment in full or in part. The refunds of a payment never exceed the amount that was charged.
     * If the processor has not answered shortly before the deadline, the call returns the refund with status PENDING. It
     * becomes SUCCEEDED or FAILED later. A pending refund counts as refunded; if the processor rejects it, it becomes
     * FAILED and its amount can be refunded again. The same happens if a refund fails after it succeeded, for example
     * because the payer's account is closed, which can take weeks.
     * Safe to retry with the same `request_id`. Without a `request_id`, a full refund of a payment that is already fully
     * refunded returns the last refund.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`), FAILED_PRECONDITION
     * (`PAYMENT_FAILED`: nothing was charged; `PAYMENT_PENDING`: the outcome of the charge is not known yet;
     * `REFUND_EXCEEDS_PAYMENT`: the amount exceeds what is left to refund; `PAYMENT_DISPUTED`: the payer disputes the
     * payment, or has got it back by a dispute; `PAYMENT_ARCHIVED`: an operator must unarchive the payment first),
     * ALREADY_EXISTS (`REQUEST_ID_REUSED`).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<payments.v1.RefundResponse> refund(
        payments.v1.RefundRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRefundMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Gets one payment by its id, its reference, or the `request_id` of its charge, with its oldest refunds.
     * The `request_id` answers what became of a charge whose response was lost: NOT_FOUND means that nothing was charged
     * when the call was made. A charge that is still in flight may be stored later, so retry it rather than give it up.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`), PERMISSION_DENIED (`ROLE_MISSING`:
     * another caller's `request_id` requires the role `payments.audit`).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<payments.v1.GetPaymentResponse> getPayment(
        payments.v1.GetPaymentRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetPaymentMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the refunds of a payment, one page at a time, oldest first.
     * Following `next_page_token` to the end returns, exactly once, every refund that existed when the last page was
     * read.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<payments.v1.ListRefundsResponse> listRefunds(
        payments.v1.ListRefundsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListRefundsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the payments that match a filter, one page at a time, newest first by default.
     * Following `next_page_token` to the end returns, exactly once, every payment that existed when the first page was
     * read, even while charges are being made.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), PERMISSION_DENIED (`ROLE_MISSING`: another caller's `request_id`
     * requires the role `payments.audit`).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<payments.v1.ListPaymentsResponse> listPayments(
        payments.v1.ListPaymentsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListPaymentsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the events of one payment, one page at a time, oldest first: what happened to it, when, and who requested it.
     * Every change that was answered before the call has its event on one of the pages, even if the payment is archived.
     * Changes made by the legacy service, or before events were recorded, have none, so the list may be empty. Following
     * `next_page_token` to the end returns, exactly once, every event that existed when the last page was read.
     * Errors: INVALID_ARGUMENT (`INVALID_REQUEST`), NOT_FOUND (`PAYMENT_NOT_FOUND`).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<payments.v1.ListPaymentEventsResponse> listPaymentEvents(
        payments.v1.ListPaymentEventsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListPaymentEventsMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_CHARGE = 0;
  private static final int METHODID_BATCH_CHARGE = 1;
  private static final int METHODID_REFUND = 2;
  private static final int METHODID_GET_PAYMENT = 3;
  private static final int METHODID_LIST_REFUNDS = 4;
  private static final int METHODID_LIST_PAYMENTS = 5;
  private static final int METHODID_LIST_PAYMENT_EVENTS = 6;
  private static final int METHODID_WATCH_PAYMENTS = 7;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_CHARGE:
          serviceImpl.charge((payments.v1.ChargeRequest) request,
              (io.grpc.stub.StreamObserver<payments.v1.ChargeResponse>) responseObserver);
          break;
        case METHODID_BATCH_CHARGE:
          serviceImpl.batchCharge((payments.v1.BatchChargeRequest) request,
              (io.grpc.stub.StreamObserver<payments.v1.BatchChargeResponse>) responseObserver);
          break;
        case METHODID_REFUND:
          serviceImpl.refund((payments.v1.RefundRequest) request,
              (io.grpc.stub.StreamObserver<payments.v1.RefundResponse>) responseObserver);
          break;
        case METHODID_GET_PAYMENT:
          serviceImpl.getPayment((payments.v1.GetPaymentRequest) request,
              (io.grpc.stub.StreamObserver<payments.v1.GetPaymentResponse>) responseObserver);
          break;
        case METHODID_LIST_REFUNDS:
          serviceImpl.listRefunds((payments.v1.ListRefundsRequest) request,
              (io.grpc.stub.StreamObserver<payments.v1.ListRefundsResponse>) responseObserver);
          break;
        case METHODID_LIST_PAYMENTS:
          serviceImpl.listPayments((payments.v1.ListPaymentsRequest) request,
              (io.grpc.stub.StreamObserver<payments.v1.ListPaymentsResponse>) responseObserver);
          break;
        case METHODID_LIST_PAYMENT_EVENTS:
          serviceImpl.listPaymentEvents((payments.v1.ListPaymentEventsRequest) request,
              (io.grpc.stub.StreamObserver<payments.v1.ListPaymentEventsResponse>) responseObserver);
          break;
        case METHODID_WATCH_PAYMENTS:
          serviceImpl.watchPayments((payments.v1.WatchPaymentsRequest) request,
              (io.grpc.stub.StreamObserver<payments.v1.WatchPaymentsResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getChargeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              payments.v1.ChargeRequest,
              payments.v1.ChargeResponse>(
                service, METHODID_CHARGE)))
        .addMethod(
          getBatchChargeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              payments.v1.BatchChargeRequest,
              payments.v1.BatchChargeResponse>(
                service, METHODID_BATCH_CHARGE)))
        .addMethod(
          getRefundMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              payments.v1.RefundRequest,
              payments.v1.RefundResponse>(
                service, METHODID_REFUND)))
        .addMethod(
          getGetPaymentMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              payments.v1.GetPaymentRequest,
              payments.v1.GetPaymentResponse>(
                service, METHODID_GET_PAYMENT)))
        .addMethod(
          getListRefundsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              payments.v1.ListRefundsRequest,
              payments.v1.ListRefundsResponse>(
                service, METHODID_LIST_REFUNDS)))
        .addMethod(
          getListPaymentsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              payments.v1.ListPaymentsRequest,
              payments.v1.ListPaymentsResponse>(
                service, METHODID_LIST_PAYMENTS)))
        .addMethod(
          getListPaymentEventsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              payments.v1.ListPaymentEventsRequest,
              payments.v1.ListPaymentEventsResponse>(
                service, METHODID_LIST_PAYMENT_EVENTS)))
        .addMethod(
          getWatchPaymentsMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              payments.v1.WatchPaymentsRequest,
              payments.v1.WatchPaymentsResponse>(
                service, METHODID_WATCH_PAYMENTS)))
        .build();
  }

  private static abstract class PaymentServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    PaymentServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return payments.v1.PaymentsProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("PaymentService");
    }
  }

  private static final class PaymentServiceFileDescriptorSupplier
      extends PaymentServiceBaseDescriptorSupplier {
    PaymentServiceFileDescriptorSupplier() {}
  }

  private static final class PaymentServiceMethodDescriptorSupplier
      extends PaymentServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    PaymentServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (PaymentServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new PaymentServiceFileDescriptorSupplier())
              .addMethod(getChargeMethod())
              .addMethod(getBatchChargeMethod())
              .addMethod(getRefundMethod())
              .addMethod(getGetPaymentMethod())
              .addMethod(getListRefundsMethod())
              .addMethod(getListPaymentsMethod())
              .addMethod(getListPaymentEventsMethod())
              .addMethod(getWatchPaymentsMethod())
              .build();
        }
      }
    }
    return result;
  }
}
