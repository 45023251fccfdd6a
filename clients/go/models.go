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

// Failure is why a payment or a refund failed.
type Failure string

// The reasons of a failure. FailureNone, the empty string, means that the payment or refund did not fail, or that the
// reason is not known. Do not tell the payer about FailureSuspectedFraud. After FailureProcessorError, a new attempt
// may succeed. FailureUnknown is a reason that this version of the client does not know.
const (
	FailureNone                   Failure = ""
	FailureUnknown                Failure = "UNKNOWN"
	FailureInsufficientFunds      Failure = "INSUFFICIENT_FUNDS"
	FailureExpiredMethod          Failure = "EXPIRED_METHOD"
	FailureInvalidMethod          Failure = "INVALID_METHOD"
	FailureAuthenticationRequired Failure = "AUTHENTICATION_REQUIRED"
	FailureSuspectedFraud         Failure = "SUSPECTED_FRAUD"
	FailureLimitExceeded          Failure = "LIMIT_EXCEEDED"
	FailureDeclined               Failure = "DECLINED"
	FailureProcessorError         Failure = "PROCESSOR_ERROR"
)

// NextActionType is what the payer must do.
type NextActionType string

// The types of next actions. With NextActionRedirect, the payer opens [NextAction.RedirectURL] in a browser, and
// approves the payment there (3-D Secure, for example). With NextActionApproveOnPhone, the payer approves it in an app
// on the phone, which has notified the payer (UPI, for example). NextActionUnknown is a type that this version of the
// client does not know.
const (
	NextActionUnknown        NextActionType = "UNKNOWN"
	NextActionRedirect       NextActionType = "REDIRECT"
	NextActionApproveOnPhone NextActionType = "APPROVE_ON_PHONE"
)

// DisputeStatus is the state of a dispute.
type DisputeStatus string

// The statuses of a dispute. DisputeOpen means that the bank has not decided yet and holds the disputed amount,
// DisputeWon that the merchant keeps the money, and DisputeLost that the payer got it back. DisputeUnknown is a status
// that this version of the client does not know.
const (
	DisputeUnknown DisputeStatus = "UNKNOWN"
	DisputeOpen    DisputeStatus = "OPEN"
	DisputeWon     DisputeStatus = "WON"
	DisputeLost    DisputeStatus = "LOST"
)

// PaymentEventType is what happened to a payment.
type PaymentEventType string

// The types of events. EventPending and EventRefundPending mean that the processor has not answered yet. EventFailed
// means that the processor declined the charge, and EventRefundFailed that it rejected a refund, or that a refund which
// had succeeded failed later. EventActionRequired means that the payer must approve the payment (see
// [Payment.NextAction]). EventDisputeOpened means that the payer disputes the payment, EventDisputeWon that the bank
// decided for the merchant, and EventDisputeLost that it decided for the payer. EventImported means that the payment or
// refund was imported, or changed by a later import. EventForgotten means that the payment's CustomerID and Labels were
// erased. EventUnknown is an event that this version of the client does not know.
const (
	EventUnknown        PaymentEventType = "UNKNOWN"
	EventPending        PaymentEventType = "PENDING"
	EventCharged        PaymentEventType = "CHARGED"
	EventFailed         PaymentEventType = "FAILED"
	EventRefundPending  PaymentEventType = "REFUND_PENDING"
	EventRefunded       PaymentEventType = "REFUNDED"
	EventRefundFailed   PaymentEventType = "REFUND_FAILED"
	EventImported       PaymentEventType = "IMPORTED"
	EventForgotten      PaymentEventType = "FORGOTTEN"
	EventActionRequired PaymentEventType = "ACTION_REQUIRED"
	EventDisputeOpened  PaymentEventType = "DISPUTE_OPENED"
	EventDisputeWon     PaymentEventType = "DISPUTE_WON"
	EventDisputeLost    PaymentEventType = "DISPUTE_LOST"
)

// Payment is a charge of an order, and how much of it has been refunded. payments.proto documents each field.
//
// Amounts are exact, in units of the currency. They have two decimals, or up to four if the currency has more than two;
// Amount.StringFixed(-Amount.Exponent()) formats one with all of them ("561.00", "0.125").
//
// Caller charged the payment with RequestID. RequestID is empty for another caller's payment, unless your caller has
// the role payments.audit. ProcessorReference identifies the payment at the processor; it is empty until the processor
// has answered, and for simulated payments. If the payment failed, Failure says why, and FailureCode is the processor's
// own code. ExternalReference, CustomerID and Labels are those of the charge.
//
// NextAction is what the payer must do before the charge can succeed. It is nil unless Status is [StatusPending].
// Dispute is the payer's dispute, or nil if there was none. If there were several, it is the open one, or the last.
//
// The legacy service may not have recorded everything about an adopted payment. Without an amount, Amount and
// RefundedAmount are zero and Currency is empty (see [Payment.HasAmount]). Without a time, CreateTime is zero. Without
// a reference, Reference is empty. Caller and RequestID are always empty.
type Payment struct {
	PaymentID          int64
	OrderID            int64 // 0 if the charge had only an ExternalReference
	Amount             decimal.Decimal
	Currency           string // ISO 4217; empty if the amount is not recorded
	Method             PaymentMethod
	OtherMethod        string
	Status             PaymentStatus
	Reference          string
	CreateTime         time.Time // UTC, to the microsecond
	RefundedAmount     decimal.Decimal
	RefundState        RefundState
	Caller             string
	RequestID          string
	ProcessorReference string
	Failure            Failure
	FailureCode        string
	ExternalReference  string
	CustomerID         string
	Labels             map[string]string // nil if there are none
	NextAction         *NextAction
	Dispute            *Dispute
}

// HasAmount reports whether the payment's amount is recorded. Some adopted payments have none.
func (p *Payment) HasAmount() bool { return p.Currency != "" }

// NextAction is the action that a payer must take before a charge can succeed.
type NextAction struct {
	Type NextActionType
	// RedirectURL is the page to open in the payer's browser. It redirects to the ReturnURL of the charge when the
	// payer is done. Anyone who has the URL can approve the payment, so show it only to the payer. It is empty unless
	// Type is [NextActionRedirect], and for another caller's payment, unless your caller has the role payments.audit.
	RedirectURL string
	// ExpireTime is until when the payer can act, in UTC. After it, the service cancels the charge, which becomes
	// [StatusFailed] with [FailureAuthenticationRequired].
	ExpireTime time.Time
}

// Dispute is a payer's demand that the bank return the money of a payment, also called a chargeback. While Status is
// [DisputeOpen], and if it is [DisputeLost], the payment cannot be refunded.
type Dispute struct {
	Status   DisputeStatus
	Amount   decimal.Decimal // the disputed amount; see HasAmount
	Currency string          // ISO 4217; empty if there is no amount
	// Reason is the processor's own code for the reason, such as "fraudulent" or "product_not_received". It may be empty.
	Reason string
	// OpenTime is when the service learned that the dispute was opened, in UTC.
	OpenTime time.Time
	// CloseTime is when the service learned of the decision, in UTC. It is zero while the dispute is open.
	CloseTime time.Time
	// ProcessorReference identifies the dispute at the processor.
	ProcessorReference string
}

// HasAmount reports whether the dispute has an amount. It has none if the disputed amount is in another currency than
// the payment; Amount is then zero.
func (d *Dispute) HasAmount() bool { return d.Currency != "" }

// Refund is a refund of a payment.
//
// Caller requested the refund with RequestID. The fields from Caller to FailureCode mean the same as in [Payment].
//
// A refund with [RefundStatusSucceeded] can become [RefundStatusFailed] later, perhaps after weeks, for example because
// the payer's account is closed. Its amount can then be refunded again.
type Refund struct {
	RefundID           int64
	PaymentID          int64
	Amount             decimal.Decimal
	Currency           string // ISO 4217
	Status             RefundStatus
	Reason             string
	CreateTime         time.Time // UTC, to the microsecond
	Caller             string
	RequestID          string
	ProcessorReference string
	Failure            Failure
	FailureCode        string
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
// Payment and Refund are as they were after the event, except that [Payment.NextAction] is the current one; Refund is
// nil if the event is not about a refund. Caller requested the change with RequestID; both are empty if the legacy
// service made the payment, if an operator erased its customer, or if the event is about a dispute, and RequestID also
// for another caller's request, unless your caller has the role payments.audit. EventTime is when it happened (for an
// import, the time of the import), or zero if the service sent none.
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
