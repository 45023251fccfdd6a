package payments

import (
	"time"

	"github.com/shopspring/decimal"
)

// PaymentMethod is how a payment was made.
type PaymentMethod string

// The payment methods. MethodOther is a method that [Payment.OtherMethod] names; it is only on adopted payments, and
// rejected in a charge. MethodUnknown is a method that this version of the client does not know.
const (
	MethodUnknown PaymentMethod = "UNKNOWN"
	MethodUPI     PaymentMethod = "UPI"
	MethodCard    PaymentMethod = "CARD"
	MethodCOD     PaymentMethod = "COD"
	MethodOther   PaymentMethod = "OTHER"
)

// PaymentStatus is the outcome of a charge.
type PaymentStatus string

// The statuses of a payment. StatusUnknown is a status that this version of the client does not know.
const (
	StatusUnknown   PaymentStatus = "UNKNOWN"
	StatusPending   PaymentStatus = "PENDING"
	StatusSucceeded PaymentStatus = "SUCCEEDED"
	StatusFailed    PaymentStatus = "FAILED"
)

// RefundState is how much of a payment has been refunded.
type RefundState string

// The refund states. RefundStateUnknown is a state that this version of the client does not know.
const (
	RefundStateUnknown RefundState = "UNKNOWN"
	RefundStateNone    RefundState = "NONE"
	RefundStatePartial RefundState = "PARTIAL"
	RefundStateFull    RefundState = "FULL"
)

// RefundStatus is the outcome of a refund.
type RefundStatus string

// The statuses of a refund. RefundStatusUnknown is a status that this version of the client does not know.
const (
	RefundStatusUnknown   RefundStatus = "UNKNOWN"
	RefundStatusPending   RefundStatus = "PENDING"
	RefundStatusSucceeded RefundStatus = "SUCCEEDED"
	RefundStatusFailed    RefundStatus = "FAILED"
)

// PaymentEventType is what happened to a payment.
type PaymentEventType string

// The types of events. EventPending and EventRefundPending mean that the processor has not answered yet. EventFailed
// means that the processor declined the charge, and EventRefundFailed that it rejected a refund. EventImported means
// that the payment or refund was imported, or changed by a later import. EventUnknown is an event that this version of
// the client does not know.
const (
	EventUnknown       PaymentEventType = "UNKNOWN"
	EventPending       PaymentEventType = "PENDING"
	EventCharged       PaymentEventType = "CHARGED"
	EventFailed        PaymentEventType = "FAILED"
	EventRefundPending PaymentEventType = "REFUND_PENDING"
	EventRefunded      PaymentEventType = "REFUNDED"
	EventRefundFailed  PaymentEventType = "REFUND_FAILED"
	EventImported      PaymentEventType = "IMPORTED"
)

// Payment is a charge of an order, and how much of it has been refunded. payments.proto documents each field.
//
// Amounts are exact, in units of the currency; Amount.StringFixed(2) formats one with two decimals ("561.00").
//
// The legacy service may not have recorded everything about an adopted payment. Without an amount, Amount and
// RefundedAmount are zero and Currency is empty (see [Payment.HasAmount]). Without a time, CreateTime is zero. Without a
// reference, Reference is empty.
type Payment struct {
	PaymentID      int64
	OrderID        int64
	Amount         decimal.Decimal
	Currency       string // ISO 4217; empty if the amount is not recorded
	Method         PaymentMethod
	OtherMethod    string
	Status         PaymentStatus
	Reference      string
	CreateTime     time.Time // UTC, to the microsecond
	RefundedAmount decimal.Decimal
	RefundState    RefundState
}

// HasAmount reports whether the payment's amount is recorded. Some adopted payments have none.
func (p *Payment) HasAmount() bool { return p.Currency != "" }

// Refund is a refund of a payment.
type Refund struct {
	RefundID   int64
	PaymentID  int64
	Amount     decimal.Decimal
	Currency   string // ISO 4217
	Status     RefundStatus
	Reason     string
	CreateTime time.Time // UTC, to the microsecond
}

// RefundResult is a refund and the updated payment.
//
// Refund is nil only if the call repeats a full refund made by the legacy service, which stored no refunds.
type RefundResult struct {
	Refund  *Refund
	Payment *Payment
}

// PaymentDetails is a payment with its first 100 refunds, oldest first.
//
// NextRefundsPageToken is empty if Refunds is complete. Otherwise pass it as [ListRefundsParams.PageToken] to
// [Client.ListRefunds] to get the rest.
type PaymentDetails struct {
	Payment              *Payment
	Refunds              []*Refund
	NextRefundsPageToken string
}

// RefundPage is one page of the refunds of a payment, oldest first. NextPageToken is empty on the last page.
type RefundPage struct {
	Refunds       []*Refund
	NextPageToken string
}

// PaymentPage is one page of a list of payments.
//
// NextPageToken is empty on the last page. TotalSize is the number of matching payments over all pages, or nil if it
// was not requested.
type PaymentPage struct {
	Payments      []*Payment
	NextPageToken string
	TotalSize     *int64
}

// BatchChargeResult is the outcome of one charge of a batch: a payment, or the error that [Client.Charge] would have
// returned.
type BatchChargeResult struct {
	Payment *Payment
	Err     error
}

// PaymentEvent is a change to a payment.
//
// Payment and Refund are as they were after the event; Refund is nil if the event is not about a refund. Caller
// requested the change with RequestID; both are empty if the legacy service made the payment. EventTime is when it
// happened (for an import, the time of the import), or zero if the service sent none.
type PaymentEvent struct {
	Type      PaymentEventType
	EventTime time.Time // UTC, to the microsecond
	Payment   *Payment
	Refund    *Refund
	Caller    string
	RequestID string
}

// PaymentEventPage is one page of the events of a payment, oldest first. NextPageToken is empty on the last page.
type PaymentEventPage struct {
	Events        []*PaymentEvent
	NextPageToken string
}

// PaymentUpdate is one update from a watch. Event is nil if the update only carries a newer token. Pass ResumeToken to
// [Client.WatchPayments] to resume after this update.
type PaymentUpdate struct {
	Event       *PaymentEvent
	ResumeToken string
}
