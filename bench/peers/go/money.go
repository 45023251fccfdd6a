package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/type/money"
)

const (
	currency      = "INR" // the only supported currency
	nanosPerMinor = 10_000_000
	minorPerUnit  = 100
	maxMinor      = 99_999_999_99
)

// amountMinor is an exact amount in minor units, which are hundredths of a unit.
type amountMinor int64

// readMoney parses and checks an amount of a request.
func readMoney(field string, message *money.Money) (amountMinor, error) {
	units, nanos := message.GetUnits(), int64(message.GetNanos())
	switch {
	case message.GetCurrencyCode() != "" && message.GetCurrencyCode() != currency:
		return 0, invalid(field+".currency_code", "must be "+currency+", or empty")
	case units > 0 && nanos < 0 || units < 0 && nanos > 0:
		return 0, invalid(field+".nanos", "must have the same sign as units")
	case nanos <= -minorPerUnit*nanosPerMinor || nanos >= minorPerUnit*nanosPerMinor:
		return 0, invalid(field+".nanos", "must be between -999,999,999 and +999,999,999")
	case nanos%nanosPerMinor != 0:
		return 0, invalid(field+".nanos", "must be a multiple of 10,000,000: INR has 2 decimals")
	case units < -maxMinor/minorPerUnit || units > maxMinor/minorPerUnit:
		return 0, invalid(field+".units", "must be at most 99999999.99")
	}
	return amountMinor(units*minorPerUnit + nanos/nanosPerMinor), nil
}

func readPositiveMoney(field string, message *money.Money) (amountMinor, error) {
	amount, err := readMoney(field, message)
	if err == nil && amount <= 0 {
		return 0, invalid(field, "must be more than zero")
	}
	return amount, err
}

func (a amountMinor) message(currency string) *money.Money {
	return &money.Money{
		CurrencyCode: currency,
		Units:        int64(a) / minorPerUnit,
		Nanos:        int32(int64(a) % minorPerUnit * nanosPerMinor),
	}
}

// String formats a DECIMAL, such as 561.00 for 56,100 minor units.
func (a amountMinor) String() string {
	sign, minor := "", int64(a)
	if minor < 0 {
		sign, minor = "-", -minor
	}
	digits := strconv.FormatInt(minor, 10)
	if len(digits) < 3 {
		digits = strings.Repeat("0", 3-len(digits)) + digits
	}
	return sign + digits[:len(digits)-2] + "." + digits[len(digits)-2:]
}

// Scan parses a DECIMAL with four decimals, of which the last two are zero.
func (a *amountMinor) Scan(column any) error {
	text, ok := column.([]byte)
	if !ok || len(text) < 6 || text[len(text)-5] != '.' || !bytes.HasSuffix(text, []byte("00")) {
		return fmt.Errorf("not an amount in hundredths, with four decimals: %v", column)
	}
	units, minor := text[:len(text)-5], text[len(text)-4:len(text)-2]
	negative := units[0] == '-'
	if negative {
		units = units[1:]
	}
	var value int64
	for _, digits := range [][]byte{units, minor} {
		for _, digit := range digits {
			if digit < '0' || digit > '9' {
				return fmt.Errorf("not an amount in hundredths, with four decimals: %s", text)
			}
			value = value*10 + int64(digit-'0')
		}
	}
	if negative {
		value = -value
	}
	*a = amountMinor(value)
	return nil
}
