package payments_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/grpc/credentials"

	"payments.internal/payments"
)

func ExampleNew() {
	client, err := payments.New(
		context.Background(),
		"dns:///payments.internal:50051", // calls are spread over all addresses of the name
		payments.WithTransportCredentials(credentials.NewTLS(&tls.Config{})),
		payments.WithAPIKey(os.Getenv("PAYMENTS_API_KEY")),
		payments.WithTimeout(3*time.Second),
		payments.WithUserAgent("checkout/1.4"),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

func ExampleClient_Charge() {
	ctx := context.Background()
	client, err := payments.New(context.Background(), "127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	params := payments.ChargeParams{
		OrderID: 342, Amount: decimal.RequireFromString("561.00"), Method: payments.MethodUPI,
	}
	payment, err := client.Charge(ctx, params)
	var unknown *payments.OutcomeUnknownError
	switch {
	case errors.As(err, &unknown):
		params.RequestID = &unknown.RequestID // retry later with these params: the order is charged only once
	case err != nil:
		log.Print(err)
	default:
		fmt.Println(payment.PaymentID, payment.Status)
	}
}

func ExampleClient_Charge_approval() {
	client, err := payments.New(context.Background(), "127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// The page of the shop sends the token that it got from the processor, and an idempotency key that was generated with
	// the page, so that a second click does not charge again.
	http.HandleFunc("POST /orders/342/pay", func(response http.ResponseWriter, request *http.Request) {
		payment, err := client.Charge(request.Context(), payments.ChargeParams{
			OrderID: 342, Amount: decimal.RequireFromString("561.00"),
			RequestID:     payments.Ptr(request.PostFormValue("attempt")),
			PaymentSource: request.PostFormValue("token"), ReturnURL: "https://shop.example/orders/342",
		})
		if err != nil {
			http.Error(response, "Please try again.", http.StatusBadGateway)
			return
		}
		if action := payment.NextAction; action != nil {
			switch action.Type {
			case payments.NextActionRedirect:
				http.Redirect(response, request, action.RedirectURL, http.StatusSeeOther)
				return
			case payments.NextActionApproveOnPhone:
				fmt.Fprintln(response, "Please approve the payment in your app.")
				return
			}
		}
		http.Redirect(response, request, "/orders/342", http.StatusSeeOther) // which shows the payment's status
	})
}

func ExampleClient_ListRefunds() {
	client, err := payments.New(context.Background(), "127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	params := payments.ListRefundsParams{PaymentID: 403}
	for refund, err := range client.ListRefunds(context.Background(), params) {
		if err != nil {
			log.Print(err)
			break
		}
		fmt.Println(refund.RefundID, refund.Amount.StringFixed(2), refund.Currency)
	}
}

func ExampleClient_ListPayments() {
	client, err := payments.New(context.Background(), "127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	params := payments.ListParams{
		Methods:       []payments.PaymentMethod{payments.MethodUPI},
		MinAmount:     payments.Ptr(decimal.RequireFromString("100.00")),
		MinCreateTime: time.Now().Add(-24 * time.Hour),
	}
	for payment, err := range client.ListPayments(context.Background(), params) {
		if err != nil {
			log.Print(err)
			break
		}
		fmt.Println(payment.PaymentID, payment.Amount.StringFixed(2), payment.Currency)
	}
}

func ExampleClient_ListPaymentEvents() {
	client, err := payments.New(context.Background(), "127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	params := payments.ListPaymentEventsParams{PaymentID: 403}
	for event, err := range client.ListPaymentEvents(context.Background(), params) {
		if err != nil {
			log.Print(err)
			break
		}
		fmt.Println(event.EventTime.Format(time.RFC3339Nano), event.Type, event.Caller)
	}
}

func ExampleClient_WatchPayments() {
	client, err := payments.New(context.Background(), "127.0.0.1:50051")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	token := "" // or the last token that was saved
	for update, err := range client.WatchPayments(context.Background(), payments.WatchParams{ResumeToken: token}) {
		if err != nil {
			log.Print(err)
			break
		}
		if update.Event != nil {
			fmt.Println(update.Event.Type, update.Event.Payment.PaymentID)
		}
		token = update.ResumeToken
	}
}
