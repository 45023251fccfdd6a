package paymentstest

import (
	"cmp"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/types/known/timestamppb"

	paymentsv1 "payments.internal/payments/v1"
)

const (
	maxReferenceLength          = 100
	maxProcessorReferenceLength = 255
	minSeconds, maxSeconds      = -62_135_596_800, 253_402_300_799 // the years 1 to 9999
)

// paymentFilter is a valid filter of a list, with its bounds in their own types. A nil bound means none.
type paymentFilter struct {
	conditions           *paymentsv1.PaymentFilter
	minAmount, maxAmount *amount
	minTime, maxTime     *time.Time
}

func (s *server) readFilter(reader *reader, conditions *paymentsv1.PaymentFilter) *paymentFilter {
	checkEnums(reader, "filter.methods", conditions.GetMethods(), paymentsv1.PaymentMethod_name)
	checkEnums(reader, "filter.statuses", conditions.GetStatuses(), paymentsv1.PaymentStatus_name)
	checkEnums(reader, "filter.refund_states", conditions.GetRefundStates(), paymentsv1.RefundState_name)
	reader.reference("filter.reference", conditions.Reference, maxReferenceLength)
	reader.requestID("filter.request_id", conditions.RequestId)
	reader.caller("filter.caller", conditions.Caller)
	reader.reference("filter.processor_reference", conditions.ProcessorReference, maxProcessorReferenceLength)
	reader.name("filter.external_reference", conditions.ExternalReference)
	reader.name("filter.customer_id", conditions.CustomerId)
	filter := &paymentFilter{
		conditions: conditions,
		minAmount:  s.readBound(reader, "filter.min_amount", conditions.GetMinAmount()),
		maxAmount:  s.readBound(reader, "filter.max_amount", conditions.GetMaxAmount()),
		minTime:    reader.time("filter.min_create_time", conditions.GetMinCreateTime()),
		maxTime:    reader.time("filter.max_create_time", conditions.GetMaxCreateTime()),
	}
	if filter.minAmount != nil && filter.maxAmount != nil {
		switch {
		case filter.minAmount.currency != filter.maxAmount.currency:
			reader.reject("filter.max_amount.currency_code", "must have the currency of min_amount")
		case filter.minAmount.minorUnits > filter.maxAmount.minorUnits:
			reader.reject("filter.max_amount", "must not be less than min_amount")
		}
	}
	if filter.minTime != nil && filter.maxTime != nil && filter.minTime.After(*filter.maxTime) {
		reader.reject("filter.max_create_time", "must not be before min_create_time")
	}
	return filter
}

// readBound reads a bound of an amount, or returns nil if there is none.
func (s *server) readBound(reader *reader, field string, message *money.Money) *amount {
	if message == nil {
		return nil
	}
	bound := reader.amount(field, message, cmp.Or(message.GetCurrencyCode(), s.settings.defaultCurrency))
	return &bound
}

// time reads a time, or returns nil if there is none.
func (r *reader) time(field string, message *timestamppb.Timestamp) *time.Time {
	if message == nil {
		return nil
	}
	switch {
	case message.GetSeconds() < minSeconds || message.GetSeconds() > maxSeconds:
		r.reject(field+".seconds", "must be between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z")
		return nil
	case message.GetNanos() < 0 || message.GetNanos() >= nanosPerUnit:
		r.reject(field+".nanos", "must be between 0 and 999,999,999")
		return nil
	}
	moment := message.AsTime()
	return &moment
}

// needsAuditRole reports whether the filter has the request_id of another caller.
func (f *paymentFilter) needsAuditRole() bool {
	return f.conditions.RequestId != nil && !isNilOrEqual(f.conditions.Caller, callerName)
}

func (f *paymentFilter) matches(payment *paymentsv1.Payment) bool {
	return isNilOrEqual(f.conditions.OrderId, payment.GetOrderId()) &&
		isEmptyOrContains(f.conditions.GetMethods(), payment.GetMethod()) &&
		isEmptyOrContains(f.conditions.GetStatuses(), payment.GetStatus()) &&
		isEmptyOrContains(f.conditions.GetRefundStates(), payment.GetRefundState()) &&
		isNilOrEqual(f.conditions.Reference, payment.GetReference()) &&
		isNilOrEqual(f.conditions.RequestId, payment.GetRequestId()) &&
		isNilOrEqual(f.conditions.Caller, payment.GetCaller()) &&
		isNilOrEqual(f.conditions.ProcessorReference, payment.GetProcessorReference()) &&
		isNilOrEqual(f.conditions.ExternalReference, payment.GetExternalReference()) &&
		isNilOrEqual(f.conditions.CustomerId, payment.GetCustomerId()) &&
		f.boundsMatch(amountOf(payment.GetAmount()), payment.GetCreateTime().AsTime())
}

// boundsMatch reports whether an amount and a time are within the bounds. A bound matches only amounts of its currency.
func (f *paymentFilter) boundsMatch(charged amount, createTime time.Time) bool {
	return (f.minAmount == nil || isAtMost(*f.minAmount, charged)) &&
		(f.maxAmount == nil || isAtMost(charged, *f.maxAmount)) &&
		(f.minTime == nil || !createTime.Before(*f.minTime)) &&
		(f.maxTime == nil || !createTime.After(*f.maxTime))
}

func isAtMost(less, more amount) bool {
	return less.currency == more.currency && less.minorUnits <= more.minorUnits
}

func checkEventFilter(reader *reader, filter *paymentsv1.PaymentEventFilter) {
	reader.caller("filter.caller", filter.Caller)
	reader.name("filter.external_reference", filter.ExternalReference)
	reader.name("filter.customer_id", filter.CustomerId)
	checkEnums(reader, "filter.types", filter.GetTypes(), paymentsv1.PaymentEventType_name)
}

func eventMatches(filter *paymentsv1.PaymentEventFilter, event *paymentsv1.PaymentEvent) bool {
	payment := event.GetPayment()
	return isNilOrEqual(filter.Caller, payment.GetCaller()) &&
		isNilOrEqual(filter.OrderId, payment.GetOrderId()) &&
		isNilOrEqual(filter.ExternalReference, payment.GetExternalReference()) &&
		isNilOrEqual(filter.CustomerId, payment.GetCustomerId()) &&
		isEmptyOrContains(filter.GetTypes(), event.GetType())
}

func isNilOrEqual[T comparable](condition *T, value T) bool {
	return condition == nil || *condition == value
}

func isEmptyOrContains[T comparable](allowed []T, value T) bool {
	return len(allowed) == 0 || slices.Contains(allowed, value)
}
