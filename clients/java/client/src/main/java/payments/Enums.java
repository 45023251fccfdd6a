package payments;

import static java.util.Objects.requireNonNull;

import java.util.Collection;
import java.util.List;
import java.util.Optional;

/** Converts between the client's enums and the contract's. A newer service may have more values. */
final class Enums {
    private Enums() {}

    /**
     * Checks the value of an argument and returns it. The value may be null.
     *
     * @param name the argument's name, for the message
     * @param value the value
     * @return the value
     * @throws IllegalArgumentException if the value is UNKNOWN, which cannot be sent
     */
    static <E extends Enum<E>> E check(String name, E value) {
        if (value != null && value.name().equals("UNKNOWN")) {
            throw new IllegalArgumentException(name + " cannot be UNKNOWN");
        }
        return value;
    }

    /** {@return a copy of the checked values of the argument {@code name}} */
    static <E extends Enum<E>> List<E> check(String name, Collection<E> values) {
        requireNonNull(values, name);
        values.forEach(value -> check(name, requireNonNull(value, () -> name + " contains null")));
        return List.copyOf(values);
    }

    static payments.v1.PaymentMethod toContract(PaymentMethod method) {
        return switch (method) {
            case UNKNOWN -> throw new AssertionError(method);
            case UPI -> payments.v1.PaymentMethod.PAYMENT_METHOD_UPI;
            case CARD -> payments.v1.PaymentMethod.PAYMENT_METHOD_CARD;
            case COD -> payments.v1.PaymentMethod.PAYMENT_METHOD_COD;
            case OTHER -> payments.v1.PaymentMethod.PAYMENT_METHOD_OTHER;
        };
    }

    static PaymentMethod fromContract(payments.v1.PaymentMethod method) {
        return switch (method) {
            case PAYMENT_METHOD_UPI -> PaymentMethod.UPI;
            case PAYMENT_METHOD_CARD -> PaymentMethod.CARD;
            case PAYMENT_METHOD_COD -> PaymentMethod.COD;
            case PAYMENT_METHOD_OTHER -> PaymentMethod.OTHER;
            case PAYMENT_METHOD_UNSPECIFIED, UNRECOGNIZED -> PaymentMethod.UNKNOWN;
        };
    }

    static payments.v1.PaymentStatus toContract(PaymentStatus status) {
        return switch (status) {
            case UNKNOWN -> throw new AssertionError(status);
            case PENDING -> payments.v1.PaymentStatus.PAYMENT_STATUS_PENDING;
            case SUCCEEDED -> payments.v1.PaymentStatus.PAYMENT_STATUS_SUCCEEDED;
            case FAILED -> payments.v1.PaymentStatus.PAYMENT_STATUS_FAILED;
        };
    }

    static PaymentStatus fromContract(payments.v1.PaymentStatus status) {
        return switch (status) {
            case PAYMENT_STATUS_PENDING -> PaymentStatus.PENDING;
            case PAYMENT_STATUS_SUCCEEDED -> PaymentStatus.SUCCEEDED;
            case PAYMENT_STATUS_FAILED -> PaymentStatus.FAILED;
            case PAYMENT_STATUS_UNSPECIFIED, UNRECOGNIZED -> PaymentStatus.UNKNOWN;
        };
    }

    static payments.v1.RefundState toContract(RefundState state) {
        return switch (state) {
            case UNKNOWN -> throw new AssertionError(state);
            case NONE -> payments.v1.RefundState.REFUND_STATE_NONE;
            case PARTIAL -> payments.v1.RefundState.REFUND_STATE_PARTIAL;
            case FULL -> payments.v1.RefundState.REFUND_STATE_FULL;
        };
    }

    static RefundState fromContract(payments.v1.RefundState state) {
        return switch (state) {
            case REFUND_STATE_NONE -> RefundState.NONE;
            case REFUND_STATE_PARTIAL -> RefundState.PARTIAL;
            case REFUND_STATE_FULL -> RefundState.FULL;
            case REFUND_STATE_UNSPECIFIED, UNRECOGNIZED -> RefundState.UNKNOWN;
        };
    }

    static RefundStatus fromContract(payments.v1.RefundStatus status) {
        return switch (status) {
            case REFUND_STATUS_PENDING -> RefundStatus.PENDING;
            case REFUND_STATUS_SUCCEEDED -> RefundStatus.SUCCEEDED;
            case REFUND_STATUS_FAILED -> RefundStatus.FAILED;
            case REFUND_STATUS_UNSPECIFIED, UNRECOGNIZED -> RefundStatus.UNKNOWN;
        };
    }

    /** {@return the failure; empty if it is unspecified} */
    static Optional<Failure> fromContract(payments.v1.Failure failure) {
        return switch (failure) {
            case FAILURE_UNSPECIFIED -> Optional.empty();
            case FAILURE_INSUFFICIENT_FUNDS -> Optional.of(Failure.INSUFFICIENT_FUNDS);
            case FAILURE_EXPIRED_METHOD -> Optional.of(Failure.EXPIRED_METHOD);
            case FAILURE_INVALID_METHOD -> Optional.of(Failure.INVALID_METHOD);
            case FAILURE_AUTHENTICATION_REQUIRED -> Optional.of(Failure.AUTHENTICATION_REQUIRED);
            case FAILURE_SUSPECTED_FRAUD -> Optional.of(Failure.SUSPECTED_FRAUD);
            case FAILURE_LIMIT_EXCEEDED -> Optional.of(Failure.LIMIT_EXCEEDED);
            case FAILURE_DECLINED -> Optional.of(Failure.DECLINED);
            case FAILURE_PROCESSOR_ERROR -> Optional.of(Failure.PROCESSOR_ERROR);
            case UNRECOGNIZED -> Optional.of(Failure.UNKNOWN);
        };
    }

    static NextActionType fromContract(payments.v1.NextActionType type) {
        return switch (type) {
            case NEXT_ACTION_TYPE_REDIRECT -> NextActionType.REDIRECT;
            case NEXT_ACTION_TYPE_APPROVE_ON_PHONE -> NextActionType.APPROVE_ON_PHONE;
            case NEXT_ACTION_TYPE_UNSPECIFIED, UNRECOGNIZED -> NextActionType.UNKNOWN;
        };
    }

    static DisputeStatus fromContract(payments.v1.DisputeStatus status) {
        return switch (status) {
            case DISPUTE_STATUS_OPEN -> DisputeStatus.OPEN;
            case DISPUTE_STATUS_WON -> DisputeStatus.WON;
            case DISPUTE_STATUS_LOST -> DisputeStatus.LOST;
            case DISPUTE_STATUS_UNSPECIFIED, UNRECOGNIZED -> DisputeStatus.UNKNOWN;
        };
    }

    static payments.v1.PaymentEventType toContract(PaymentEventType type) {
        return switch (type) {
            case UNKNOWN -> throw new AssertionError(type);
            case PENDING -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_PENDING;
            case CHARGED -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_CHARGED;
            case FAILED -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_FAILED;
            case REFUND_PENDING -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_REFUND_PENDING;
            case REFUNDED -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_REFUNDED;
            case REFUND_FAILED -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_REFUND_FAILED;
            case IMPORTED -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_IMPORTED;
            case FORGOTTEN -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_FORGOTTEN;
            case ACTION_REQUIRED -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_ACTION_REQUIRED;
            case DISPUTE_OPENED -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_DISPUTE_OPENED;
            case DISPUTE_WON -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_DISPUTE_WON;
            case DISPUTE_LOST -> payments.v1.PaymentEventType.PAYMENT_EVENT_TYPE_DISPUTE_LOST;
        };
    }

    static PaymentEventType fromContract(payments.v1.PaymentEventType type) {
        return switch (type) {
            case PAYMENT_EVENT_TYPE_PENDING -> PaymentEventType.PENDING;
            case PAYMENT_EVENT_TYPE_CHARGED -> PaymentEventType.CHARGED;
            case PAYMENT_EVENT_TYPE_FAILED -> PaymentEventType.FAILED;
            case PAYMENT_EVENT_TYPE_REFUND_PENDING -> PaymentEventType.REFUND_PENDING;
            case PAYMENT_EVENT_TYPE_REFUNDED -> PaymentEventType.REFUNDED;
            case PAYMENT_EVENT_TYPE_REFUND_FAILED -> PaymentEventType.REFUND_FAILED;
            case PAYMENT_EVENT_TYPE_IMPORTED -> PaymentEventType.IMPORTED;
            case PAYMENT_EVENT_TYPE_FORGOTTEN -> PaymentEventType.FORGOTTEN;
            case PAYMENT_EVENT_TYPE_ACTION_REQUIRED -> PaymentEventType.ACTION_REQUIRED;
            case PAYMENT_EVENT_TYPE_DISPUTE_OPENED -> PaymentEventType.DISPUTE_OPENED;
            case PAYMENT_EVENT_TYPE_DISPUTE_WON -> PaymentEventType.DISPUTE_WON;
            case PAYMENT_EVENT_TYPE_DISPUTE_LOST -> PaymentEventType.DISPUTE_LOST;
            case PAYMENT_EVENT_TYPE_UNSPECIFIED, UNRECOGNIZED -> PaymentEventType.UNKNOWN;
        };
    }
}
