package payments

import (
	"fmt"
	"log/slog"
)

// Format implements [fmt.Formatter]. It leaves out PaymentSource and ReturnURL, because anyone who has a payment source
// can charge it.
func (p ChargeParams) Format(state fmt.State, verb rune) {
	fmt.Fprintf(state, fmt.FormatString(state, verb), p.redacted())
}

// LogValue implements [slog.LogValuer], as Format does [fmt.Formatter].
func (p ChargeParams) LogValue() slog.Value { return slog.AnyValue(p.redacted()) }

// redacted returns a copy of a type without methods, because Format would call itself otherwise.
func (p ChargeParams) redacted() any {
	type plain ChargeParams
	p.PaymentSource, p.ReturnURL = "", ""
	return plain(p)
}

// Format implements [fmt.Formatter]. It leaves out RedirectURL, because anyone who has it can approve the payment.
func (a NextAction) Format(state fmt.State, verb rune) {
	fmt.Fprintf(state, fmt.FormatString(state, verb), a.redacted())
}

// LogValue implements [slog.LogValuer], as Format does [fmt.Formatter].
func (a NextAction) LogValue() slog.Value { return slog.AnyValue(a.redacted()) }

func (a NextAction) redacted() any {
	type plain NextAction
	a.RedirectURL = ""
	return plain(a)
}
