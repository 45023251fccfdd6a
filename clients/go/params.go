package payments

import (
	"time"

	"github.com/shopspring/decimal"
)

// Ptr returns a pointer to value, for the optional fields of parameters.
func Ptr[T any](value T) *T { return &value }

// ChargeParams are the parameters of [Client.Charge].
type ChargeParams struct {
	// OrderID is the order, 1 or more.
	OrderID int64
	// Amount is in units of the currency (rupees, not paise): more than zero, with at most two decimals. It is
	// required: the service rejects the zero value.
	Amount decimal.Decimal
	// Currency is the currency of Amount (ISO 4217). Empty means the deployment's default.
	Currency string
	// Method is the payment method. If it is empty, the processor chooses.
	Method PaymentMethod
	// RequestID is an idempotency key (AIP-155). Calls with the same key and the same parameters charge only once. Nil
	// generates a new key, which all attempts of this call use. To retry safely even after your own program crashes,
	// store a key with the order and pass it here. The service rejects an empty key.
	RequestID *string
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

// WatchParams are the parameters of [Client.WatchPayments].
type WatchParams struct {
	// ResumeToken is the [PaymentUpdate.ResumeToken] of an earlier update, to stream all events after it. Empty streams
	// events from now on.
	ResumeToken string
}
