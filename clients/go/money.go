package payments

import (
	"github.com/shopspring/decimal"
	"google.golang.org/genproto/googleapis/type/money"
)

const (
	// minAmountDecimals is the number of decimals that a returned amount has at least.
	minAmountDecimals = 2
	// maxAmountDecimals is the maximum number of decimals in any currency. For currencies with fewer, the service
	// checks the amount.
	maxAmountDecimals = 4
	nanoDecimals      = 9
	// maxUnitsDigits is the number of digits of the largest int64.
	maxUnitsDigits = 19
)

// moneyFrom converts an amount exactly.
func moneyFrom(name string, amount decimal.Decimal, currency string) (*money.Money, error) {
	amount = amount.Normalize()
	if amount.Exponent() < -maxAmountDecimals {
		return nil, &ArgumentError{name, "must have at most four decimals"}
	}
	// This comes before any arithmetic, because the digits of 1e1000000000 do not fit in memory.
	if int64(amount.NumDigits())+int64(amount.Exponent()) > maxUnitsDigits || !amount.BigInt().IsInt64() {
		return nil, &ArgumentError{name, "is too large"}
	}
	units := amount.Truncate(0)
	nanos := amount.Sub(units).Shift(nanoDecimals)
	return &money.Money{CurrencyCode: currency, Units: units.IntPart(), Nanos: int32(nanos.IntPart())}, nil
}

// amountFrom converts an amount exactly, with all of its decimals, and at least two. A missing amount becomes the zero
// value.
func amountFrom(money *money.Money) decimal.Decimal {
	if money == nil {
		return decimal.Decimal{}
	}
	amount := decimal.New(money.GetUnits(), 0).Add(decimal.New(int64(money.GetNanos()), -nanoDecimals))
	for decimals := int32(minAmountDecimals); decimals < nanoDecimals; decimals++ {
		if short := amount.Truncate(decimals); short.Equal(amount) {
			return short
		}
	}
	return amount
}
