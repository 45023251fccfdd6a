package payments.testing;

import com.google.protobuf.ProtocolMessageEnum;
import com.google.type.Money;
import java.time.Instant;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import payments.v1.GetPaymentRequest;
import payments.v1.ListPaymentsRequest;
import payments.v1.PaymentEventFilter;
import payments.v1.PaymentEventType;
import payments.v1.PaymentFilter;
import payments.v1.PaymentMethod;
import payments.v1.PaymentStatus;
import payments.v1.RefundState;
import payments.v1.WatchPaymentsRequest;

/** Checks the requests that only read. Each method throws a {@link ServiceError} if the request is invalid. */
final class ReadRequests {
    private static final int MAX_FILTER_VALUES = 20;
    private static final String NEWEST_FIRST = "create_time desc";
    private static final List<String> OLDEST_FIRST = List.of("create_time asc", "create_time");

    private final Currencies currencies;

    ReadRequests(Currencies currencies) {
        this.currencies = currencies;
    }

    /** @throws InvalidValue if it is not a valid id */
    static void checkId(long id) {
        if (id < 1) {
            throw new InvalidValue("must be 1 or more");
        }
    }

    static void checkGetPayment(GetPaymentRequest request) {
        Violations violations = new Violations();
        switch (request.getKeyCase()) {
            case PAYMENT_ID -> violations.check("payment_id", () -> checkId(request.getPaymentId()));
            case REFERENCE -> violations.check("reference", () -> Texts.checkReference(request.getReference()));
            case REQUEST_ID -> violations.check("request_id", () -> Texts.checkRequestId(request.getRequestId()));
            case KEY_NOT_SET ->
                throw ServiceError.invalidRequest("key", "payment_id, reference or request_id is required");
        }
        if (request.hasRequestId() && !request.getCaller().isEmpty()) {
            violations.check("caller", () -> Texts.checkCaller(request.getCaller()));
        }
        if (!request.hasRequestId() && !request.getCaller().isEmpty()) {
            violations.add("caller", "must be empty, unless the key is a request_id");
        }
        violations.throwIfAny();
    }

    /** {@return the page of refunds or events of a payment} */
    static PageRequest pageOfPayment(long paymentId, int pageSize, String pageToken, TokenKind kind) {
        Violations violations = new Violations();
        violations.check("payment_id", () -> checkId(paymentId));
        Integer size = violations.read("page_size", () -> PageRequest.size(pageSize));
        violations.throwIfAny();
        return new PageRequest(position(pageToken, kind, paymentId), size);
    }

    PaymentQuery query(ListPaymentsRequest request) {
        Violations violations = new Violations();
        PaymentFilter filter = filter(request.getFilter(), violations);
        Boolean isNewestFirst = violations.read("order_by", () -> isNewestFirst(request.getOrderBy()));
        violations.check("page_size", () -> PageRequest.size(request.getPageSize()));
        violations.throwIfAny();
        return new PaymentQuery(filter, isNewestFirst);
    }

    static PageRequest page(ListPaymentsRequest request, PaymentQuery query) {
        return new PageRequest(
                position(request.getPageToken(), TokenKind.PAYMENTS, query), PageRequest.size(request.getPageSize()));
    }

    /** {@return the position of the request's token; empty if it has none} */
    static OptionalLong startOf(WatchPaymentsRequest request) {
        Violations violations = new Violations();
        String token = request.getResumeToken();
        Long position =
                token.isEmpty() ? null : violations.read("resume_token", () -> TokenKind.RESUME.decode(token, ""));
        checkEventFilter(request.getFilter(), violations);
        violations.throwIfAny();
        return position == null ? OptionalLong.empty() : OptionalLong.of(position);
    }

    private static void checkEventFilter(PaymentEventFilter filter, Violations violations) {
        if (filter.hasCaller()) {
            violations.check("filter.caller", () -> Texts.checkCaller(filter.getCaller()));
        }
        if (filter.hasExternalReference()) {
            violations.check("filter.external_reference", () -> Texts.checkName(filter.getExternalReference()));
        }
        if (filter.hasCustomerId()) {
            violations.check("filter.customer_id", () -> Texts.checkName(filter.getCustomerId()));
        }
        violations.check("filter.types", () -> members(filter.getTypesList(), PaymentEventType.values()));
    }

    private static OptionalLong position(String token, TokenKind kind, Object request) {
        if (token.isEmpty()) {
            return OptionalLong.empty();
        }
        Violations violations = new Violations();
        Long position = violations.read("page_token", () -> kind.decode(token, request));
        violations.throwIfAny();
        return OptionalLong.of(position);
    }

    private static boolean isNewestFirst(String orderBy) {
        String order = orderBy.strip().replaceAll("\\s+", " ");
        if (OLDEST_FIRST.contains(order)) {
            return false;
        }
        if (!order.isEmpty() && !order.equals(NEWEST_FIRST)) {
            throw new InvalidValue("must be \"create_time desc\" or \"create_time asc\"");
        }
        return true;
    }

    /** {@return the conditions with sorted values and explicit currencies, so that equal filters are equal messages} */
    private PaymentFilter filter(PaymentFilter filter, Violations violations) {
        PaymentFilter.Builder canonical =
                filter.toBuilder().clearMethods().clearStatuses().clearRefundStates();
        violations.check(
                "filter.methods",
                () -> canonical.addAllMethods(members(filter.getMethodsList(), PaymentMethod.values())));
        violations.check(
                "filter.statuses",
                () -> canonical.addAllStatuses(members(filter.getStatusesList(), PaymentStatus.values())));
        violations.check(
                "filter.refund_states",
                () -> canonical.addAllRefundStates(members(filter.getRefundStatesList(), RefundState.values())));
        checkTexts(filter, violations);
        checkTimes(filter, violations);
        readAmounts(filter, canonical, violations);
        return canonical.build();
    }

    private static void checkTexts(PaymentFilter filter, Violations violations) {
        if (filter.hasReference()) {
            violations.check("filter.reference", () -> Texts.checkReference(filter.getReference()));
        }
        if (filter.hasRequestId()) {
            violations.check("filter.request_id", () -> Texts.checkRequestId(filter.getRequestId()));
        }
        if (filter.hasCaller()) {
            violations.check("filter.caller", () -> Texts.checkCaller(filter.getCaller()));
        }
        if (filter.hasProcessorReference()) {
            violations.check(
                    "filter.processor_reference", () -> Texts.checkProcessorReference(filter.getProcessorReference()));
        }
        if (filter.hasExternalReference()) {
            violations.check("filter.external_reference", () -> Texts.checkName(filter.getExternalReference()));
        }
        if (filter.hasCustomerId()) {
            violations.check("filter.customer_id", () -> Texts.checkName(filter.getCustomerId()));
        }
    }

    private static void checkTimes(PaymentFilter filter, Violations violations) {
        Instant min = filter.hasMinCreateTime()
                ? violations.read("filter.min_create_time", () -> Times.toInstant(filter.getMinCreateTime()))
                : null;
        Instant max = filter.hasMaxCreateTime()
                ? violations.read("filter.max_create_time", () -> Times.toInstant(filter.getMaxCreateTime()))
                : null;
        if (min != null && max != null && min.isAfter(max)) {
            violations.add("filter.max_create_time", "must not be before min_create_time");
        }
    }

    private void readAmounts(PaymentFilter filter, PaymentFilter.Builder canonical, Violations violations) {
        Amount min = filter.hasMinAmount() ? readAmount("filter.min_amount", filter.getMinAmount(), violations) : null;
        Amount max = filter.hasMaxAmount() ? readAmount("filter.max_amount", filter.getMaxAmount(), violations) : null;
        if (min != null) {
            canonical.setMinAmount(min.toMoney());
        }
        if (max != null) {
            canonical.setMaxAmount(max.toMoney());
        }
        if (min != null && max != null) {
            violations.check("filter.max_amount", () -> checkBounds(min, max));
        }
    }

    private Amount readAmount(String field, Money money, Violations violations) {
        return violations.read(field, () -> currencies.amount(money));
    }

    private static void checkBounds(Amount min, Amount max) {
        if (!min.currency().equals(max.currency())) {
            throw new InvalidValue("currency_code", "must have the currency of min_amount");
        }
        if (max.isLessThan(min)) {
            throw new InvalidValue("must not be less than min_amount");
        }
    }

    /** {@return the distinct values of a filter's field, sorted; the first of {@code all} is the unspecified one} */
    private static <E extends Enum<E> & ProtocolMessageEnum> List<E> members(List<E> values, E[] all) {
        if (values.size() > MAX_FILTER_VALUES) {
            throw new InvalidValue("must have at most " + MAX_FILTER_VALUES + " values");
        }
        List<E> allowed = Stream.of(all)
                .skip(1)
                .filter(value -> !value.name().equals("UNRECOGNIZED"))
                .toList();
        if (!allowed.containsAll(values)) {
            throw new InvalidValue(
                    allowed.stream().map(Enum::name).collect(Collectors.joining(", ", "must be one of ", "")));
        }
        return values.stream().distinct().sorted().toList();
    }
}
