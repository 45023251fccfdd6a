package payments.testing;

import java.util.List;
import java.util.Optional;
import payments.v1.ChargeRequest;
import payments.v1.PaymentMethod;
import payments.v1.RefundRequest;

/** Checks the requests that move money. */
final class ChargeRequests {
    /** The methods that a charge can have, or none. */
    private static final List<PaymentMethod> METHODS = List.of(
            PaymentMethod.PAYMENT_METHOD_UNSPECIFIED,
            PaymentMethod.PAYMENT_METHOD_UPI,
            PaymentMethod.PAYMENT_METHOD_CARD,
            PaymentMethod.PAYMENT_METHOD_COD);

    private final Currencies currencies;
    private final PaymentSource defaultSource;

    ChargeRequests(Currencies currencies, PaymentSource defaultSource) {
        this.currencies = currencies;
        this.defaultSource = defaultSource;
    }

    /**
     * {@return the charge of a request}
     *
     * @throws ServiceError if the request is invalid
     */
    NewCharge charge(ChargeRequest request) {
        Violations violations = new Violations();
        violations.check("order_id", () -> checkOrderId(request));
        Amount amount = violations.read("amount", () -> chargedAmount(request));
        violations.check("method", () -> checkMethod(request.getMethod()));
        if (request.hasRequestId()) {
            violations.check("request_id", () -> Texts.checkRequestId(request.getRequestId()));
        }
        violations.check("external_reference", () -> Texts.checkOptionalName(request.getExternalReference()));
        violations.check("customer_id", () -> Texts.checkOptionalName(request.getCustomerId()));
        violations.check("labels", () -> Texts.checkLabels(request.getLabelsMap()));
        PaymentSource source = violations.read("payment_source", () -> source(request.getPaymentSource()));
        violations.check("return_url", () -> checkReturnUrl(request));
        violations.throwIfAny();
        ChargeRequest parameters = request.toBuilder()
                .setAmount(amount.toMoney())
                .clearRequestId()
                .clearUnlessPending()
                .clearReturnUrl()
                .build();
        return new NewCharge(parameters, request.getRequestId(), amount, source, request.getUnlessPending());
    }

    /**
     * {@return the refund of a request}
     *
     * @throws ServiceError if the request is invalid
     */
    NewRefund refund(RefundRequest request) {
        Violations violations = new Violations();
        violations.check("payment_id", () -> ReadRequests.checkId(request.getPaymentId()));
        Optional<Amount> amount = violations.read("amount", () -> refundedAmount(request));
        violations.check("reason", () -> Texts.checkReason(request.getReason()));
        if (request.hasRequestId()) {
            violations.check("request_id", () -> Texts.checkRequestId(request.getRequestId()));
        }
        violations.throwIfAny();
        RefundRequest.Builder parameters = request.toBuilder().clearRequestId();
        amount.ifPresent(given -> parameters.setAmount(given.toMoney()));
        return new NewRefund(parameters.build(), request.getRequestId(), amount);
    }

    private static void checkOrderId(ChargeRequest request) {
        boolean isLeftOut =
                request.getOrderId() == 0 && !request.getExternalReference().isEmpty();
        if (request.getOrderId() < 1 && !isLeftOut) {
            throw new InvalidValue("must be 1 or more, or left out if there is an external_reference");
        }
    }

    private Amount chargedAmount(ChargeRequest request) {
        if (!request.hasAmount()) {
            throw new InvalidValue("is required");
        }
        return positive(currencies.chargeableAmount(request.getAmount()));
    }

    private Optional<Amount> refundedAmount(RefundRequest request) {
        return request.hasAmount() ? Optional.of(positive(currencies.amount(request.getAmount()))) : Optional.empty();
    }

    private static Amount positive(Amount amount) {
        if (!amount.isPositive()) {
            throw new InvalidValue("must be more than zero");
        }
        return amount;
    }

    private static void checkMethod(PaymentMethod method) {
        if (!METHODS.contains(method)) {
            throw new InvalidValue("must be one of PAYMENT_METHOD_UPI, PAYMENT_METHOD_CARD, PAYMENT_METHOD_COD");
        }
    }

    private static void checkReturnUrl(ChargeRequest request) {
        if (request.getReturnUrl().isEmpty()) {
            return;
        }
        if (request.getPaymentSource().isEmpty()) {
            throw new InvalidValue("must be empty without a payment_source");
        }
        Texts.checkHttpsUrl(request.getReturnUrl());
    }

    private PaymentSource source(String name) {
        if (name.isEmpty()) {
            return defaultSource;
        }
        return PaymentSource.named(name)
                .orElseThrow(() -> new InvalidValue("must be one of " + PaymentSource.names() + ", or empty"));
    }
}
