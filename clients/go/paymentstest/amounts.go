package paymentstest

import (
	"fmt"

	"github.com/shopspring/decimal"
	"google.golang.org/genproto/googleapis/type/money"
)

const (
	// maxMinorUnits is the largest amount in any currency, in its minor units.
	maxMinorUnits = 999_999_999_999_999
	nanosPerUnit  = 1_000_000_000
)

// amount is an exact amount of money. minorUnits are paise of INR, cents of USD, yen of JPY.
type amount struct {
	currency   string
	minorUnits int64
}

// amountOf converts a message of the service itself, which is valid.
func amountOf(message *money.Money) amount {
	scale := unitScale(message.GetCurrencyCode())
	minorUnits := message.GetUnits()*scale + int64(message.GetNanos())/(nanosPerUnit/scale)
	return amount{message.GetCurrencyCode(), minorUnits}
}

func (a amount) message() *money.Money {
	scale := unitScale(a.currency)
	return &money.Money{
		CurrencyCode: a.currency,
		Units:        a.minorUnits / scale,
		Nanos:        int32(a.minorUnits % scale * (nanosPerUnit / scale)),
	}
}

// String formats the amount for people: "561.00 INR".
func (a amount) String() string {
	decimals := int32(decimalsByCurrency[a.currency])
	return decimal.New(a.minorUnits, -decimals).StringFixed(decimals) + " " + a.currency
}

// unitScale returns the number of minor units in one unit of the currency.
func unitScale(currency string) int64 {
	scale := int64(1)
	for range decimalsByCurrency[currency] {
		scale *= 10
	}
	return scale
}

// amount reads an amount of this currency, of any sign.
func (r *reader) amount(field string, message *money.Money, currency string) amount {
	if _, isKnown := decimalsByCurrency[currency]; !isKnown {
		r.reject(field+".currency_code", "must be an ISO 4217 currency code of three upper-case letters")
		return amount{}
	}
	scale := unitScale(currency)
	units, nanos, nanosPerMinorUnit := message.GetUnits(), int64(message.GetNanos()), nanosPerUnit/scale
	maximum := amount{currency, maxMinorUnits}
	switch {
	case nanos <= -nanosPerUnit || nanos >= nanosPerUnit:
		r.reject(field+".nanos", "must be between -999,999,999 and +999,999,999")
	case units > 0 && nanos < 0 || units < 0 && nanos > 0:
		r.reject(field+".nanos", "must have the same sign as units")
	case nanos%nanosPerMinorUnit != 0:
		r.reject(field+".nanos", fmt.Sprintf("must be a multiple of %d: %s has %d decimals",
			nanosPerMinorUnit, currency, decimalsByCurrency[currency]))
	case units > maxMinorUnits/scale || units < -maxMinorUnits/scale:
		r.reject(field+".units", fmt.Sprintf("must be at most %s", maximum))
	default:
		return amount{currency, units*scale + nanos/nanosPerMinorUnit}
	}
	return amount{}
}

// positiveAmount reads an amount that must be more than zero.
func (r *reader) positiveAmount(field string, message *money.Money, currency string) amount {
	before := len(r.violations)
	amount := r.amount(field, message, currency)
	if len(r.violations) == before && amount.minorUnits <= 0 {
		r.reject(field, "must be more than zero")
	}
	return amount
}
