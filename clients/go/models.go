package payments

import (
	"time"

	"github.com/shopspring/decimal"
)

// PaymentMethod is how a payment was made.
type PaymentMethod string

// The methods. MethodOther is named in [Payment.OtherMethod]: it is only on payments from an earlier system, and never
// accepted on a charge. MethodUnknown stands for one that this version of the client has no name for.
const (
	MethodUnknown PaymentMethod = "UNKNOWN"
	MethodUPI     PaymentMethod = "UPI"
	MethodCard    PaymentMethod = "CARD"
	MethodCOD     PaymentMethod = "COD"
	MethodOther   PaymentMethod = "OTHER"
)

// PaymentStatus is what became of a charge.
type PaymentStatus string

// The statuses of a payment. StatusUnknown stands for one that this version of the client has no name for.
const (
	StatusUnknown   PaymentStatus = "UNKNOWN"
	StatusPending   PaymentStatus = "PENDING"
	StatusSucceeded PaymentStatus = "SUCCEEDED"
	StatusFailed    PaymentStatus = "FAILED"
)

// RefundState is how much of a payment was given back.
type RefundState string

// The refund states. RefundStateUnknown stands for one that this version of the client has no name for.
const (
	RefundStateUnknown RefundState = "UNKNOWN"
	RefundStateNone    RefundState = "NONE"
	RefundStatePartial RefundState = "PARTIAL"
	RefundStateFull    RefundState = "FULL"
)

// RefundStatus is what became of a refund.
type RefundStatus string

// The statuses of a refund. RefundStatusUnknown stands for one that this version of the client has no name for.
const (
	RefundStatusUnknown   RefundStatus = "UNKNOWN"
	RefundStatusPending   RefundStatus = "PENDING"
	RefundStatusSucceeded RefundStatus = "SUCCEEDED"
	RefundStatusFailed    RefundStatus = "FAILED"
)

// PaymentEventType is what happened to a payment.
type PaymentEventType string

// The types of events. With EventPending and EventRefundPending the processor has not answered yet; with EventFailed it
// declined, and nothing was charged; with EventImported a payment was taken over from an earlier system, as it was
// there. EventUnknown stands for one that this version of the client has no name for.
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

// Payment is one charge of an order, and what was refunded of it. What each field means is said in payments.proto.
//
// Amounts are exact, in whole units of the currency; Amount.Decimal.StringFixed(2) writes one as people do ("561.00").
// Amount and RefundedAmount are not Valid, Currency and Reference empty, and CreateTime is zero, only on payments
// adopted from an earlier system that have none.
type Payment struct {
	PaymentID      int64
	OrderID        int64
	Amount         decimal.NullDecimal
	Currency       string // ISO 4217
	Method         PaymentMethod
	OtherMethod    string
	Status         PaymentStatus
	Reference      string
	CreateTime     time.Time // UTC, to the microsecond
	RefundedAmount decimal.NullDecimal
	RefundState    RefundState
}

// Refund is money of a payment given back.
type Refund struct {
	RefundID   int64
	PaymentID  int64
	Amount     decimal.Decimal
	Currency   string // ISO 4217
	Status     RefundStatus
	Reason     string
	CreateTime time.Time // UTC, to the microsecond
}

// RefundResult is a refund, and the payment after it.
//
// Refund is nil only when the call repeats a whole refund made by an earlier system, which kept no record of it.
type RefundResult struct {
	Refund  *Refund
	Payment *Payment
}

// PaymentDetails is a payment with its refunds, oldest first, at most 100.
//
// NextRefundsPageToken is empty when Refunds has them all. Otherwise pass it as [ListRefundsParams.PageToken] to
// [Client.ListRefunds] to get the refunds that follow.
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
// NextPageToken is empty on the last page. TotalSize counts the matching payments of all pages, and is nil unless it
// was asked for.
type PaymentPage struct {
	Payments      []*Payment
	NextPageToken string
	TotalSize     *int64
}

// BatchChargeResult is what became of one charge of many: a payment, or the error that [Client.Charge] would have
// returned.
type BatchChargeResult struct {
	Payment *Payment
	Err     error
}

// PaymentEvent is something that happened to a payment.
//
// Payment is as this left it, and so is Refund, which is nil where the event is not about one. Caller asked for it with
// RequestID; both are empty, and EventTime may be zero, for an imported payment.
type PaymentEvent struct {
	Type      PaymentEventType
	EventTime time.Time // UTC, to the microsecond
	Payment   *Payment
	Refund    *Refund
	Caller    string
	RequestID string
}

// PaymentUpdate is what a watch gives next: an event, or nil for that there was none; and the token to go on from after
// it.
type PaymentUpdate struct {
	Event       *PaymentEvent
	ResumeToken string
}
