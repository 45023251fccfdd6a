package payments;

import static java.util.Objects.requireNonNull;

import java.util.Collection;
import java.util.List;

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

    static PaymentEventType fromContract(payments.v1.PaymentEventType type) {
        return switch (type) {
            case PAYMENT_EVENT_TYPE_PENDING -> PaymentEventType.PENDING;
            case PAYMENT_EVENT_TYPE_CHARGED -> PaymentEventType.CHARGED;
            case PAYMENT_EVENT_TYPE_FAILED -> PaymentEventType.FAILED;
            case PAYMENT_EVENT_TYPE_REFUND_PENDING -> PaymentEventType.REFUND_PENDING;
            case PAYMENT_EVENT_TYPE_REFUNDED -> PaymentEventType.REFUNDED;
            case PAYMENT_EVENT_TYPE_REFUND_FAILED -> PaymentEventType.REFUND_FAILED;
            case PAYMENT_EVENT_TYPE_IMPORTED -> PaymentEventType.IMPORTED;
            case PAYMENT_EVENT_TYPE_UNSPECIFIED, UNRECOGNIZED -> PaymentEventType.UNKNOWN;
        };
    }
}
