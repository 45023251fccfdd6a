package payments

import (
	"time"

	"github.com/shopspring/decimal"
)

// Ptr returns a pointer to value, for the optional fields of parameters.
func Ptr[T any](value T) *T { return &value }

// ChargeParams are the parameters of [Client.Charge].
type ChargeParams struct {
	// OrderID is the order, 1 or more. It may be left out if there is an ExternalReference.
	OrderID int64
	// Amount is in units of the currency (rupees, not paise): more than zero, with at most as many decimals as the
	// currency has. It is required: the service rejects the zero value.
	Amount decimal.Decimal
	// Currency is the currency of Amount (ISO 4217). Empty means the deployment's default.
	Currency string
	// Method is the payment method. If it is empty, the processor chooses.
	Method PaymentMethod
	// RequestID is an idempotency key (AIP-155). Calls with the same key and the same parameters charge only once. Nil
	// generates a new key, which all attempts of this call use. To retry safely even after your own program crashes,
	// store a key with the order and pass it here. The service rejects an empty key.
	RequestID *string
	// ExternalReference is your own name of the order, such as the number that your customers see: at most 100
	// characters, without control characters. It is kept exactly, and need not be unique.
	ExternalReference string
	// CustomerID is your customer: at most 100 characters, without control characters. Use an identifier, not a name or
	// an address.
	CustomerID string
	// Labels are for your own use: at most 16, with keys of 1 to 40 and values of at most 100 characters, without control
	// characters.
	Labels map[string]string
	// PaymentSource is the payer's means of payment: a token of the processor, such as the "pm_..." that Stripe's page
	// elements return, of 1 to 255 printable ASCII characters without spaces. Never a card number. Empty charges the
	// deployment's own means of payment for the method, if there is one.
	//
	// With a simulated processor, it chooses the outcome instead, for tests, such as "sim_insufficient_funds". The table
	// in payments.proto lists these sources. A real processor rejects them, and a simulated one all others.
	PaymentSource string
	// ReturnURL is your page to which the payer returns after an approval in the browser (see [NextAction]): an https URL
	// of at most 2048 characters. It needs a PaymentSource. Without it, a charge that needs such an approval becomes
	// [StatusFailed] with [FailureAuthenticationRequired]. A retry may have another one.
	ReturnURL string
	// UnlessPending rejects the charge with an [*OrderHasPendingPaymentError] while another payment of the same order
	// is pending, so that an impatient customer does not pay twice. The order is that of OrderID, or of
	// ExternalReference if there is no OrderID.
	UnlessPending bool
}

// RefundParams are the parameters of [Client.Refund].
type RefundParams struct {
	// PaymentID is the payment to refund.
	PaymentID int64
	// Amount is in units of the currency (rupees, not paise), at most the amount not yet refunded. Nil means all of the
	// amount not yet refunded.
	Amount *decimal.Decimal
	// Currency is the currency of Amount (ISO 4217), which must be the payment's. Empty means the deployment's default.
	Currency string
	// Reason is a reason to store with the refund, at most 255 characters.
	Reason string
	// RequestID is an idempotency key, as in [ChargeParams].
	RequestID *string
}

// ListRefundsParams are the parameters of [Client.ListRefunds] and [Client.ListRefundsPage].
type ListRefundsParams struct {
	// PaymentID is the payment whose refunds to list.
	PaymentID int64
	// PageSize is the maximum number of refunds in a page, at most 1000. 0 lets the service choose.
	PageSize int32
	// PageToken is where to start: a [PaymentDetails.NextRefundsPageToken] or [RefundPage.NextPageToken]. Empty means
	// the first refund.
	PageToken string
}

// ListParams are the parameters of [Client.ListPayments] and [Client.ListPaymentsPage]. Payments must satisfy all
// conditions that are set. Bounds are inclusive.
type ListParams struct {
	// OrderID selects payments of this order.
	OrderID *int64
	// Methods selects payments made with one of these methods. Empty means any.
	Methods []PaymentMethod
	// Statuses selects payments with one of these statuses. Empty means any.
	Statuses []PaymentStatus
	// RefundStates selects payments in one of these refund states. Empty means any.
	RefundStates []RefundState
	// Reference selects the payment with this reference.
	Reference *string
	// MinAmount selects payments of at least this amount. Nil means no bound.
	MinAmount *decimal.Decimal
	// MaxAmount selects payments of at most this amount. Nil means no bound.
	MaxAmount *decimal.Decimal
	// Currency is the currency of the two amounts (ISO 4217). Empty means the deployment's default.
	Currency string
	// MinCreateTime selects payments made at or after this time. The zero time means no bound.
	MinCreateTime time.Time
	// MaxCreateTime selects payments made at or before this time. The zero time means no bound.
	MaxCreateTime time.Time
	// RequestID selects the payment whose charge had this request_id, of Caller, or of your own caller if that is nil.
	// The request_id of another caller requires the role payments.audit.
	RequestID *string
	// Caller selects payments charged by the caller with this name.
	Caller *string
	// ProcessorReference selects payments with exactly this identifier at the processor.
	ProcessorReference *string
	// ExternalReference selects payments with exactly this external reference.
	ExternalReference *string
	// CustomerID selects payments of exactly this customer.
	CustomerID *string

	// OrderBy is "create_time desc" (the default) or "create_time asc".
	OrderBy string
	// PageSize is the maximum number of payments in a page, at most 1000. 0 lets the service choose.
	PageSize int32
}

// PageParams selects the page that [Client.ListPaymentsPage] returns. The zero value selects the first page.
type PageParams struct {
	// Token is the [PaymentPage.NextPageToken] of the previous page, which must have had the same [ListParams] except
	// for PageSize. Empty selects the first page.
	Token string
	// IncludeTotalSize requests the number of all matching payments. The cost grows with the number of matches.
	IncludeTotalSize bool
}

// ListPaymentEventsParams are the parameters of [Client.ListPaymentEvents] and [Client.ListPaymentEventsPage].
type ListPaymentEventsParams struct {
	// PaymentID is the payment whose events to list.
	PaymentID int64
	// PageSize is the maximum number of events in a page, at most 1000. 0 lets the service choose.
	PageSize int32
	// PageToken is where to start: a [PaymentEventPage.NextPageToken] of the same payment. Empty means the first event.
	PageToken string
}

// WatchParams are the parameters of [Client.WatchPayments]. Events must satisfy all conditions that are set. The
// conditions may change when a watch resumes.
type WatchParams struct {
	// ResumeToken is the [PaymentUpdate.ResumeToken] of an earlier update, to stream all events after it. Empty streams
	// events from now on.
	ResumeToken string

	// Caller selects events of payments that were charged by the caller with this name.
	Caller *string
	// OrderID selects events of payments of this order.
	OrderID *int64
	// ExternalReference selects events of payments with exactly this external reference.
	ExternalReference *string
	// CustomerID selects events of payments of exactly this customer. An erased customer matches no event.
	CustomerID *string
	// Types selects events of one of these types. Empty means any.
	Types []PaymentEventType
}
