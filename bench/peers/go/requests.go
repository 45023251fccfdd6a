package main

import (
	"database/sql"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	paymentsv1 "payments.internal/payments/v1"
)

const (
	maxRequestIDLength = 255
	maxReasonLength    = 255
	maxReferenceLength = 100
	maxChoices         = 20
	defaultPageSize    = 50
	maxPageSize        = 1000
)

// A newCharge is a valid request for a charge.
type newCharge struct {
	orderID         int64
	amount          amountMinor
	requestedMethod sql.NullString // null: the processor picks
	requestID       string
}

// A newRefund is a valid request for a refund.
type newRefund struct {
	paymentID       int64
	requestedAmount sql.Null[amountMinor] // null: the remaining amount
	reason          string
	requestID       string
	generated       bool // whether the request had no request_id
}

// A pageQuery is a valid request for a page of payments.
type pageQuery struct {
	filter      *paymentsv1.PaymentFilter
	oldestFirst bool
	size        int
	token       string
	withTotal   bool
}

func invalid(field, description string) error {
	return status.Errorf(codes.InvalidArgument, "%s: %s", field, description)
}

func readCharge(request *paymentsv1.ChargeRequest) (newCharge, error) {
	if request.GetOrderId() < 1 {
		return newCharge{}, invalid("order_id", "must be 1 or more")
	}
	if request.Amount == nil {
		return newCharge{}, invalid("amount", "is required")
	}
	amount, err := readPositiveMoney("amount", request.GetAmount())
	if err != nil {
		return newCharge{}, err
	}
	method, err := readChargeMethod(request.GetMethod())
	if err != nil {
		return newCharge{}, err
	}
	requestID, _, err := readRequestID(request.RequestId)
	return newCharge{request.GetOrderId(), amount, method, requestID}, err
}

func readRefund(request *paymentsv1.RefundRequest) (newRefund, error) {
	refund := newRefund{paymentID: request.GetPaymentId(), reason: request.GetReason()}
	if refund.paymentID < 1 {
		return refund, invalid("payment_id", "must be 1 or more")
	}
	if utf8.RuneCountInString(refund.reason) > maxReasonLength || strings.ContainsFunc(refund.reason, unicode.IsControl) {
		return refund, invalid("reason", "must be at most 255 characters, without control characters")
	}
	var err error
	if request.Amount != nil {
		refund.requestedAmount.Valid = true
		if refund.requestedAmount.V, err = readPositiveMoney("amount", request.GetAmount()); err != nil {
			return refund, err
		}
	}
	refund.requestID, refund.generated, err = readRequestID(request.RequestId)
	return refund, err
}

func readRequestID(value *string) (requestID string, generated bool, err error) {
	if value == nil {
		return randomHex(16), true, nil
	}
	unprintable := func(character rune) bool { return character < ' ' || character > '~' }
	if len(*value) < 1 || len(*value) > maxRequestIDLength || strings.ContainsFunc(*value, unprintable) {
		return "", false, invalid("request_id", "must be 1 to 255 printable ASCII characters, or left out")
	}
	return *value, false, nil
}

func readChargeMethod(method paymentsv1.PaymentMethod) (sql.NullString, error) {
	switch method {
	case paymentsv1.PaymentMethod_PAYMENT_METHOD_UNSPECIFIED:
		return sql.NullString{}, nil
	case paymentsv1.PaymentMethod_PAYMENT_METHOD_UPI,
		paymentsv1.PaymentMethod_PAYMENT_METHOD_CARD,
		paymentsv1.PaymentMethod_PAYMENT_METHOD_COD:
		return sql.NullString{String: methodNames[method], Valid: true}, nil
	}
	return sql.NullString{}, invalid("method", "must be UPI, CARD or COD, or unspecified")
}

func checkReference(field, reference string) error {
	if length := utf8.RuneCountInString(reference); length < 1 || length > maxReferenceLength {
		return invalid(field, "must be 1 to 100 characters")
	}
	return nil
}

func readList(request *paymentsv1.ListPaymentsRequest) (pageQuery, error) {
	query := pageQuery{
		filter:    request.GetFilter(),
		size:      min(int(request.GetPageSize()), maxPageSize),
		token:     request.GetPageToken(),
		withTotal: request.GetIncludeTotalSize(),
	}
	if query.size < 0 {
		return query, invalid("page_size", "must be 0 (which means 50) to 1000")
	}
	if query.size == 0 {
		query.size = defaultPageSize
	}
	switch strings.Join(strings.Fields(request.GetOrderBy()), " ") {
	case "", "create_time desc":
	case "create_time", "create_time asc":
		query.oldestFirst = true
	default:
		return query, invalid("order_by", `must be "create_time desc" or "create_time asc"`)
	}
	return query, checkFilter(query.filter)
}

func checkFilter(filter *paymentsv1.PaymentFilter) error {
	if err := checkChoices("filter.methods", filter.GetMethods(), 4); err != nil {
		return err
	}
	if err := checkChoices("filter.statuses", filter.GetStatuses(), 3); err != nil {
		return err
	}
	if err := checkChoices("filter.refund_states", filter.GetRefundStates(), 3); err != nil {
		return err
	}
	if filter != nil && filter.Reference != nil {
		if err := checkReference("filter.reference", filter.GetReference()); err != nil {
			return err
		}
	}
	low, err := readMoney("filter.min_amount", filter.GetMinAmount())
	if err != nil {
		return err
	}
	high, err := readMoney("filter.max_amount", filter.GetMaxAmount())
	if err != nil {
		return err
	}
	if filter.GetMinAmount() != nil && filter.GetMaxAmount() != nil && low > high {
		return invalid("filter.max_amount", "must not be less than min_amount")
	}
	return checkTimes(filter.GetMinCreateTime(), filter.GetMaxCreateTime())
}

func checkChoices[Choice ~int32](field string, choices []Choice, last Choice) error {
	if len(choices) > maxChoices {
		return invalid(field, "must have at most 20 values")
	}
	if slices.ContainsFunc(choices, func(choice Choice) bool { return choice < 1 || choice > last }) {
		return invalid(field, "must be values of its enum, none of them unspecified")
	}
	return nil
}

func checkTimes(earliest, latest *timestamppb.Timestamp) error {
	if earliest != nil && !earliest.IsValid() {
		return invalid("filter.min_create_time", "must be a time of the years 1 to 9999")
	}
	if latest != nil && !latest.IsValid() {
		return invalid("filter.max_create_time", "must be a time of the years 1 to 9999")
	}
	if earliest != nil && latest != nil && earliest.AsTime().After(latest.AsTime()) {
		return invalid("filter.max_create_time", "must not be before min_create_time")
	}
	return nil
}
