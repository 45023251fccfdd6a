package payments;

import static java.util.Objects.requireNonNull;

import java.util.List;
import java.util.UUID;
import payments.v1.BatchChargeRequest;
import payments.v1.ChargeRequest;
import payments.v1.GetPaymentRequest;
import payments.v1.ListPaymentEventsRequest;
import payments.v1.ListPaymentsRequest;
import payments.v1.ListRefundsRequest;
import payments.v1.PaymentEventFilter;
import payments.v1.PaymentFilter;
import payments.v1.RefundRequest;
import payments.v1.WatchPaymentsRequest;

/** Converts parameters to the contract's requests. */
final class Requests {
    private Requests() {}

    /** {@return the request for a charge, with a new request_id if none is given (AIP-155)} */
    static ChargeRequest charge(ChargeParams params) {
        ChargeRequest.Builder request = ChargeRequest.newBuilder()
                .setOrderId(params.orderId())
                .setAmount(Amounts.toMoney(params.amount(), params.currency()))
                .setRequestId(requestIdOrNew(params.requestId()))
                .setExternalReference(params.externalReference())
                .setCustomerId(params.customerId())
                .putAllLabels(params.labels())
                .setPaymentSource(params.paymentSource())
                .setUnlessPending(params.unlessPending())
                .setReturnUrl(params.returnUrl());
        if (params.method() != null) {
            request.setMethod(Enums.toContract(params.method()));
        }
        return request.build();
    }

    /** {@return the request for a batch of charges} */
    static BatchChargeRequest batchCharge(List<ChargeParams> charges) {
        return BatchChargeRequest.newBuilder()
                .addAllCharges(charges.stream()
                        .map(charge -> charge(requireNonNull(charge, "charges contains null")))
                        .toList())
                .build();
    }

    /** {@return the request for a refund, with a new request_id if none is given (AIP-155)} */
    static RefundRequest refund(RefundParams params) {
        RefundRequest.Builder request = RefundRequest.newBuilder()
                .setPaymentId(params.paymentId())
                .setReason(params.reason())
                .setRequestId(requestIdOrNew(params.requestId()));
        if (params.amount() != null) {
            request.setAmount(Amounts.toMoney(params.amount(), params.currency()));
        }
        return request.build();
    }

    static GetPaymentRequest payment(long paymentId) {
        return GetPaymentRequest.newBuilder().setPaymentId(paymentId).build();
    }

    static GetPaymentRequest payment(String reference) {
        return GetPaymentRequest.newBuilder().setReference(reference).build();
    }

    static GetPaymentRequest payment(String requestId, String caller) {
        return GetPaymentRequest.newBuilder()
                .setRequestId(requestId)
                .setCaller(caller)
                .build();
    }

    static ListRefundsRequest refunds(ListRefundsParams params) {
        return ListRefundsRequest.newBuilder()
                .setPaymentId(params.paymentId())
                .setPageSize(params.pageSize())
                .setPageToken(params.pageToken())
                .build();
    }

    static ListPaymentsRequest payments(ListPaymentsParams params) {
        return ListPaymentsRequest.newBuilder()
                .setFilter(filter(params))
                .setOrderBy(params.orderBy())
                .setPageSize(params.pageSize())
                .setPageToken(params.pageToken())
                .setIncludeTotalSize(params.includeTotalSize())
                .build();
    }

    static ListPaymentEventsRequest events(ListPaymentEventsParams params) {
        return ListPaymentEventsRequest.newBuilder()
                .setPaymentId(params.paymentId())
                .setPageSize(params.pageSize())
                .setPageToken(params.pageToken())
                .build();
    }

    static WatchPaymentsRequest watch(WatchPaymentsParams params) {
        return WatchPaymentsRequest.newBuilder()
                .setResumeToken(params.resumeToken())
                .setFilter(filter(params))
                .build();
    }

    private static PaymentEventFilter filter(WatchPaymentsParams params) {
        PaymentEventFilter.Builder filter = PaymentEventFilter.newBuilder();
        params.types().forEach(type -> filter.addTypes(Enums.toContract(type)));
        if (params.caller() != null) {
            filter.setCaller(params.caller());
        }
        if (params.orderId() != null) {
            filter.setOrderId(params.orderId());
        }
        if (params.externalReference() != null) {
            filter.setExternalReference(params.externalReference());
        }
        if (params.customerId() != null) {
            filter.setCustomerId(params.customerId());
        }
        return filter.build();
    }

    private static PaymentFilter filter(ListPaymentsParams params) {
        PaymentFilter.Builder filter = PaymentFilter.newBuilder();
        params.methods().forEach(method -> filter.addMethods(Enums.toContract(method)));
        params.statuses().forEach(status -> filter.addStatuses(Enums.toContract(status)));
        params.refundStates().forEach(state -> filter.addRefundStates(Enums.toContract(state)));
        if (params.orderId() != null) {
            filter.setOrderId(params.orderId());
        }
        if (params.reference() != null) {
            filter.setReference(params.reference());
        }
        if (params.minAmount() != null) {
            filter.setMinAmount(Amounts.toMoney(params.minAmount(), params.currency()));
        }
        if (params.maxAmount() != null) {
            filter.setMaxAmount(Amounts.toMoney(params.maxAmount(), params.currency()));
        }
        if (params.minCreateTime() != null) {
            filter.setMinCreateTime(Times.toTimestamp(params.minCreateTime()));
        }
        if (params.maxCreateTime() != null) {
            filter.setMaxCreateTime(Times.toTimestamp(params.maxCreateTime()));
        }
        if (params.requestId() != null) {
            filter.setRequestId(params.requestId());
        }
        if (params.caller() != null) {
            filter.setCaller(params.caller());
        }
        if (params.processorReference() != null) {
            filter.setProcessorReference(params.processorReference());
        }
        if (params.externalReference() != null) {
            filter.setExternalReference(params.externalReference());
        }
        if (params.customerId() != null) {
            filter.setCustomerId(params.customerId());
        }
        return filter.build();
    }

    private static String requestIdOrNew(String requestId) {
        return requestId == null ? UUID.randomUUID().toString() : requestId;
    }
}
