package paymentstest_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/credentials"

	"payments.internal/payments"
	"payments.internal/payments/paymentstest"
)

func TestEachClientOfAServiceSeesTheSamePayments(t *testing.T) {
	service := paymentstest.NewService()
	defer service.Close()
	first, err := service.NewClient(t.Context())
	check(t, err)
	defer first.Close()
	second, err := service.NewClient(t.Context())
	check(t, err)
	defer second.Close()
	charge(t, first, payments.ChargeParams{})
	assertList(t, "the payments", list(t, second, payments.ListParams{}), 1)
	assertList(t, "those of another service", list(t, paymentstest.NewClient(t), payments.ListParams{}))
}

func TestAClientMayHaveTheOptionsOfARealOne(t *testing.T) {
	service := paymentstest.NewService()
	defer service.Close()
	client, err := service.NewClient(t.Context(), payments.WithAPIKey("key"),
		payments.WithTransportCredentials(credentials.NewTLS(&tls.Config{})), payments.WithUserAgent("checkout/1.4"))
	check(t, err)
	defer client.Close()
	charge(t, client, payments.ChargeParams{})
	withoutTLS, err := service.NewClient(t.Context(), payments.WithAPIKey("key"))
	check(t, err)
	defer withoutTLS.Close()
	charge(t, withoutTLS, payments.ChargeParams{})
}

func TestTheDefaultsOfAService(t *testing.T) {
	client := paymentstest.NewClient(t,
		paymentstest.WithDefaultCurrency("KWD"), paymentstest.WithAllowedCurrencies("KWD", "JPY"),
		paymentstest.WithDefaultPaymentSource("sim_declined"))
	payment := charge(t, client, payments.ChargeParams{Amount: amount("0.001")})
	assertEqual(t, "the currency", payment.Currency, "KWD")
	assertEqual(t, "the failure", payment.Failure, payments.FailureDeclined)
	payment = charge(t, client, payments.ChargeParams{PaymentSource: "sim_success", Currency: "JPY"})
	assertEqual(t, "the status", payment.Status, payments.StatusSucceeded)
	_, err := client.Charge(t.Context(), payments.ChargeParams{OrderID: 1, Amount: amount("1"), Currency: "INR"})
	assertInvalid(t, err, "amount.currency_code")
	charge(t, paymentstest.NewClient(t), payments.ChargeParams{Amount: amount("99999999999.9999"), Currency: "CLF"})
}

func TestAnInvalidOptionPanics(t *testing.T) {
	for expected, option := range map[string]paymentstest.Option{
		`"XYZ" is not a currency code`:        paymentstest.WithDefaultCurrency("XYZ"),
		`"EURO" is not a currency code`:       paymentstest.WithAllowedCurrencies("INR", "EURO"),
		"default currency INR is not allowed": paymentstest.WithAllowedCurrencies("EUR"),
		`no payment source "card"`:            paymentstest.WithDefaultPaymentSource("card"),
	} {
		func() {
			defer func() {
				if message := fmt.Sprint(recover()); !strings.Contains(message, expected) {
					t.Errorf("%q does not contain %q", message, expected)
				}
			}()
			paymentstest.NewService(option).Close()
		}()
	}
}

func TestConcurrentRefundsNeverExceedTheCharge(t *testing.T) {
	client := paymentstest.NewClient(t)
	charge(t, client, payments.ChargeParams{Amount: amount("10.00")})
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			_, _ = client.Refund(t.Context(), payments.RefundParams{PaymentID: 1, Amount: optionalAmount("1.00")})
		})
	}
	group.Wait()
	details := get(t, client, 1)
	assertEqual(t, "the number of refunds", len(details.Refunds), 10)
	assertEqual(t, "the state", details.Payment.RefundState, payments.RefundStateFull)
}

func TestConcurrentChargesWithOneRequestIDMakeOnePayment(t *testing.T) {
	client := paymentstest.NewClient(t)
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			params := payments.ChargeParams{OrderID: 1, Amount: amount("1.00"), RequestID: payments.Ptr("a")}
			if _, err := client.Charge(t.Context(), params); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	assertList(t, "the payments", list(t, client, payments.ListParams{}), 1)
}
