package payments.testing;

import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.Collection;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Predicate;
import java.util.function.Supplier;
import payments.testing.PageRequest.Page;
import payments.v1.BatchChargeRequest;
import payments.v1.BatchChargeResponse;
import payments.v1.BatchChargeResult;
import payments.v1.ChargeRequest;
import payments.v1.ChargeResponse;
import payments.v1.GetPaymentRequest;
import payments.v1.GetPaymentResponse;
import payments.v1.ListPaymentEventsRequest;
import payments.v1.ListPaymentEventsResponse;
import payments.v1.ListPaymentsRequest;
import payments.v1.ListPaymentsResponse;
import payments.v1.ListRefundsRequest;
import payments.v1.ListRefundsResponse;
import payments.v1.Payment;
import payments.v1.PaymentServiceGrpc.PaymentServiceImplBase;
import payments.v1.Refund;
import payments.v1.RefundRequest;
import payments.v1.RefundResponse;
import payments.v1.WatchPaymentsRequest;
import payments.v1.WatchPaymentsResponse;

/** The RPCs: each checks its request, uses the ledger or the events, and builds the response. */
final class Rpcs extends PaymentServiceImplBase {
    private static final int MAX_BATCH = 1000;
    private static final int MAX_REFUNDS_SHOWN = 100;

    private final Ledger ledger;
    private final EventLog events;
    private final ChargeRequests chargeRequests;
    private final ReadRequests readRequests;
    private final Collection<Watch> watches = new ConcurrentLinkedQueue<>();

    Rpcs(Ledger ledger, EventLog events, ChargeRequests chargeRequests, ReadRequests readRequests) {
        this.ledger = ledger;
        this.events = events;
        this.chargeRequests = chargeRequests;
        this.readRequests = readRequests;
    }

    /** Applies the pending outcomes that are due, and sends their events to the open streams. */
    void settle() {
        ledger.settle();
        watches.forEach(Watch::sendEvents);
    }

    /** Sends each open stream a response without an event. */
    void sendHeartbeats() {
        watches.forEach(Watch::sendHeartbeat);
    }

    @Override
    public void charge(ChargeRequest request, StreamObserver<ChargeResponse> observer) {
        respond(observer, () -> {
            Ledger.Charged charged = ledger.charge(chargeRequests.charge(request));
            CallTrailers.current().setReplayed(charged.isReplayed());
            return ChargeResponse.newBuilder().setPayment(charged.payment()).build();
        });
    }

    @Override
    public void batchCharge(BatchChargeRequest request, StreamObserver<BatchChargeResponse> observer) {
        respond(observer, () -> {
            if (request.getChargesCount() == 0 || request.getChargesCount() > MAX_BATCH) {
                throw ServiceError.invalidRequest("charges", "must have 1 to 1,000 charges");
            }
            BatchChargeResponse.Builder response = BatchChargeResponse.newBuilder();
            request.getChargesList().forEach(charge -> response.addResults(result(charge)));
            return response.build();
        });
    }

    private BatchChargeResult result(ChargeRequest request) {
        BatchChargeResult.Builder result = BatchChargeResult.newBuilder();
        try {
            Ledger.Charged charged = ledger.charge(chargeRequests.charge(request));
            result.setPayment(charged.payment()).setReplayed(charged.isReplayed());
        } catch (ServiceError error) {
            result.setError(error.toStatus(CallTrailers.current().callId()));
        }
        return result.build();
    }

    @Override
    public void refund(RefundRequest request, StreamObserver<RefundResponse> observer) {
        respond(observer, () -> {
            Ledger.Refunded refunded = ledger.refund(chargeRequests.refund(request));
            CallTrailers.current().setReplayed(refunded.isReplayed());
            return RefundResponse.newBuilder()
                    .setRefund(refunded.refund())
                    .setPayment(refunded.payment())
                    .build();
        });
    }

    @Override
    public void getPayment(GetPaymentRequest request, StreamObserver<GetPaymentResponse> observer) {
        respond(observer, () -> {
            ReadRequests.checkGetPayment(request);
            if (!request.getCaller().isEmpty()) {
                checkMayReadRequestIdsOf(request.getCaller());
            }
            Ledger.Details details = ledger.details(requested(request));
            List<Refund> refunds = details.refunds();
            GetPaymentResponse.Builder response = GetPaymentResponse.newBuilder()
                    .setPayment(details.payment())
                    .addAllRefunds(refunds.subList(0, Math.min(refunds.size(), MAX_REFUNDS_SHOWN)));
            if (refunds.size() > MAX_REFUNDS_SHOWN) {
                response.setNextRefundsPageToken(refundsToken(refunds.get(MAX_REFUNDS_SHOWN - 1)));
            }
            return response.build();
        });
    }

    private static Predicate<Payment> requested(GetPaymentRequest request) {
        return switch (request.getKeyCase()) {
            case PAYMENT_ID -> hasId(request.getPaymentId());
            case REFERENCE -> payment -> payment.getReference().equals(request.getReference());
            case REQUEST_ID -> payment -> payment.getRequestId().equals(request.getRequestId());
            case KEY_NOT_SET -> throw new AssertionError(request);
        };
    }

    private static Predicate<Payment> hasId(long paymentId) {
        return payment -> payment.getPaymentId() == paymentId;
    }

    /** The caller of all calls does not have the role {@code payments.audit}. */
    private static void checkMayReadRequestIdsOf(String caller) {
        if (!caller.equals(Ledger.CALLER)) {
            throw ServiceError.roleMissing();
        }
    }

    @Override
    public void listRefunds(ListRefundsRequest request, StreamObserver<ListRefundsResponse> observer) {
        respond(observer, () -> {
            PageRequest requested = ReadRequests.pageOfPayment(
                    request.getPaymentId(), request.getPageSize(), request.getPageToken(), TokenKind.REFUNDS);
            List<Refund> refunds = ledger.details(hasId(request.getPaymentId())).refunds();
            Page<Refund> page = requested.of(refunds, after -> refund -> refund.getRefundId() > after);
            return ListRefundsResponse.newBuilder()
                    .addAllRefunds(page.items())
                    .setNextPageToken(page.hasMore() ? refundsToken(page.last()) : "")
                    .build();
        });
    }

    private static String refundsToken(Refund last) {
        return TokenKind.REFUNDS.encode(last.getRefundId(), last.getPaymentId());
    }

    @Override
    public void listPayments(ListPaymentsRequest request, StreamObserver<ListPaymentsResponse> observer) {
        respond(observer, () -> {
            PaymentQuery query = readRequests.query(request);
            PageRequest requested = ReadRequests.page(request, query);
            if (query.filter().hasRequestId() && query.filter().hasCaller()) {
                checkMayReadRequestIdsOf(query.filter().getCaller());
            }
            List<Payment> all = ledger.payments();
            List<Payment> matching =
                    all.stream().filter(query::matches).sorted(query.order()).toList();
            Page<Payment> page = requested.of(matching, after -> {
                Payment last = lastOfEarlierPage(all, after);
                return payment -> query.order().compare(payment, last) > 0;
            });
            ListPaymentsResponse.Builder response =
                    ListPaymentsResponse.newBuilder().addAllPayments(page.items());
            if (page.hasMore()) {
                response.setNextPageToken(TokenKind.PAYMENTS.encode(page.last().getPaymentId(), query));
            }
            if (request.getIncludeTotalSize()) {
                response.setTotalSize(matching.size());
            }
            return response.build();
        });
    }

    private static Payment lastOfEarlierPage(List<Payment> payments, long paymentId) {
        return payments.stream()
                .filter(hasId(paymentId))
                .findFirst()
                .orElseThrow(() -> ServiceError.invalidRequest("page_token", "must be a token of this service"));
    }

    @Override
    public void listPaymentEvents(
            ListPaymentEventsRequest request, StreamObserver<ListPaymentEventsResponse> observer) {
        respond(observer, () -> {
            long paymentId = request.getPaymentId();
            PageRequest requested = ReadRequests.pageOfPayment(
                    paymentId, request.getPageSize(), request.getPageToken(), TokenKind.EVENTS);
            ledger.details(hasId(paymentId));
            Page<EventLog.Entry> page = requested.of(events.of(paymentId), after -> entry -> entry.position() > after);
            ListPaymentEventsResponse.Builder response = ListPaymentEventsResponse.newBuilder();
            page.items().forEach(entry -> response.addEvents(entry.event()));
            if (page.hasMore()) {
                response.setNextPageToken(TokenKind.EVENTS.encode(page.last().position(), paymentId));
            }
            return response.build();
        });
    }

    @Override
    public void watchPayments(WatchPaymentsRequest request, StreamObserver<WatchPaymentsResponse> observer) {
        ServerCallStreamObserver<WatchPaymentsResponse> stream =
                (ServerCallStreamObserver<WatchPaymentsResponse>) observer;
        try {
            OptionalLong requestedStart = ReadRequests.startOf(request);
            ledger.settle();
            long last = events.lastPosition();
            long start = requestedStart.orElse(last);
            if (start > last) {
                throw ServiceError.resumeTokenExpired();
            }
            Watch watch = new Watch(stream, events, request.getFilter(), start);
            stream.setOnReadyHandler(watch::sendEvents);
            stream.setOnCancelHandler(() -> watches.remove(watch));
            watch.sendToken();
            watches.add(watch);
            watch.sendEvents();
        } catch (ServiceError error) {
            fail(observer, error);
        }
    }

    /** Responds with what {@code call} returns, or with its error, and then sends new events to the open streams. */
    private <A> void respond(StreamObserver<A> observer, Supplier<A> call) {
        // Without a handler, responding to a canceled call would throw.
        ((ServerCallStreamObserver<A>) observer).setOnCancelHandler(() -> {});
        try {
            observer.onNext(call.get());
            observer.onCompleted();
        } catch (ServiceError error) {
            fail(observer, error);
        }
        watches.forEach(Watch::sendEvents);
    }

    private static void fail(StreamObserver<?> observer, ServiceError error) {
        observer.onError(StatusProto.toStatusRuntimeException(
                error.toStatus(CallTrailers.current().callId())));
    }
}
