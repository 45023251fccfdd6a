package payments_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"payments.internal/payments"
)

func TestWhatAPayerChargesOrApprovesWithIsNotPrintedOrLogged(t *testing.T) {
	params := payments.ChargeParams{OrderID: 342, PaymentSource: "pm_secret", ReturnURL: "https://shop.example/secret"}
	payment := payments.Payment{
		PaymentID:  342,
		NextAction: &payments.NextAction{Type: payments.NextActionRedirect, RedirectURL: "https://bank.example/secret"},
	}
	var written bytes.Buffer
	for _, format := range []string{"%v\n", "%+v\n", "%#v\n", "%s\n"} {
		fmt.Fprintf(&written, format, params)
		fmt.Fprintf(&written, format, &params)
		fmt.Fprintf(&written, format, payment)
		fmt.Fprintf(&written, format, payment.NextAction)
	}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&written, nil), slog.NewTextHandler(&written, nil)} {
		logger := slog.New(handler)
		logger.Info("charging", "params", params, "action", payment.NextAction)
	}
	if text := written.String(); strings.Contains(text, "secret") || !strings.Contains(text, "342") {
		t.Errorf("printed %s", text)
	}
}
