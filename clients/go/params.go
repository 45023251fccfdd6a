package payments

import (
	"time"

	"github.com/shopspring/decimal"
)

// Ptr returns a pointer to value, for the optional fields of parameters.
func Ptr[T any](value T) *T { return &value }

// ChargeParams says what to charge.
type ChargeParams struct {
	// OrderID is the order, 1 or more.
	OrderID int64
	// Amount is in whole units of the currency, more than zero, with two decimals at most. Left out it is zero, which
	// the service refuses.
	Amount decimal.Decimal
	// Currency is that of Amount (ISO 4217); empty means the deployment's default.
	Currency string
	// Method is how to pay; empty lets the processor pick.
	Method PaymentMethod
	// RequestID makes the charge safe to repeat (AIP-155): the same one with the same parameters charges once, however
	// often it is sent. Nil makes a new one, kept over this call's own attempts. Give one that you have stored with the
	// order, if the charge must be safe to repeat after a crash of your own. An empty one is refused by the service.
	RequestID *string
}

// RefundParams says what to refund.
type RefundParams struct {
	// PaymentID is the payment.
	PaymentID int64
	// Amount is in whole units of the currency, at most what remains of the payment; left out it is all that remains.
	// decimal.NewNullDecimal makes one.
	Amount decimal.NullDecimal
	// Currency is that of Amount (ISO 4217), and must be the payment's; empty means the deployment's default.
	Currency string
	// Reason is why, for the record; at most 255 characters.
	Reason string
	// RequestID is as in [ChargeParams].
	RequestID *string
}

// ListRefundsParams says of which payment to list the refunds, and how.
type ListRefundsParams struct {
	// PaymentID is the payment.
	PaymentID int64
	// PageSize is how many refunds to fetch at once, 1000 at most; 0 lets the service choose.
	PageSize int32
	// PageToken says where to begin: [PaymentDetails.NextRefundsPageToken] or [RefundPage.NextPageToken], for the refunds
	// that follow; empty for the first page, or all refunds.
	PageToken string
}

// ListParams says which payments to list, and how. All the conditions that are given must hold; bounds are inclusive.
type ListParams struct {
	// OrderID finds payments of this order.
	OrderID *int64
	// Methods finds payments made by one of these methods; empty means any.
	Methods []PaymentMethod
	// Statuses finds payments with one of these statuses; empty means any.
	Statuses []PaymentStatus
	// RefundStates finds payments in one of these refund states; empty means any.
	RefundStates []RefundState
	// Reference finds the payment with this reference.
	Reference *string
	// MinAmount finds payments of this amount or more.
	MinAmount decimal.NullDecimal
	// MaxAmount finds payments of this amount or less.
	MaxAmount decimal.NullDecimal
	// Currency is that of the two amounts (ISO 4217); empty means the deployment's default.
	Currency string
	// MinCreateTime finds payments made at this time or later; the zero time is no condition.
	MinCreateTime time.Time
	// MaxCreateTime finds payments made at this time or earlier; the zero time is no condition.
	MaxCreateTime time.Time

	// OrderBy is "create_time desc" (also when empty) or "create_time asc".
	OrderBy string
	// PageSize is how many payments to fetch at once, 1000 at most; 0 lets the service choose.
	PageSize int32
}

// PageParams says which page of a list to fetch; the zero value is the first.
type PageParams struct {
	// Token is [PaymentPage.NextPageToken] of the page before, whose [ListParams] must have been the same but for
	// PageSize; empty for the first page.
	Token string
	// IncludeTotalSize asks to count all the payments that match, which costs more the more there are.
	IncludeTotalSize bool
}

// WatchParams says from where on to watch; the zero value is from now on.
type WatchParams struct {
	// ResumeToken is [PaymentUpdate.ResumeToken] of an earlier update, for all that happened after it; empty for what
	// happens from now on.
	ResumeToken string
}
