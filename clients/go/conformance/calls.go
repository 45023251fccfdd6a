package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"payments.internal/payments"
)

const watchTimeout = 30 * time.Second

// callClient makes one call and returns its outcome in the format of cases.json.
func callClient(ctx context.Context, client *payments.Client, call string, args arguments) (any, error) {
	switch call {
	case "charge":
		payment, err := client.Charge(ctx, chargeParams(args))
		return outcome(payment, err, paymentJSON)
	case "batch_charge":
		var charges []payments.ChargeParams
		for _, charge := range args["charges"].([]any) {
			charges = append(charges, chargeParams(charge.(arguments)))
		}
		results, err := client.BatchCharge(ctx, charges)
		return outcome(results, err, batchJSON)
	case "refund":
		result, err := client.Refund(ctx, payments.RefundParams{
			PaymentID: valueOrZero(args.integer("payment_id")),
			Amount:    args.amount("amount"),
			Currency:  valueOrZero(args.text("currency")),
			Reason:    valueOrZero(args.text("reason")),
			RequestID: args.text("request_id"),
		})
		return outcome(result, err, refundResultJSON)
	case "get_payment":
		details, err := getPayment(ctx, client, args)
		return outcome(details, err, detailsJSON)
	case "list_refunds":
		all := &payments.RefundPage{}
		for refund, err := range client.ListRefunds(ctx, listRefundsParams(args)) {
			if err != nil {
				return nil, err
			}
			all.Refunds = append(all.Refunds, refund)
		}
		return refundPageJSON(all), nil
	case "list_refunds_page":
		page, err := client.ListRefundsPage(ctx, listRefundsParams(args))
		return outcome(page, err, refundPageJSON)
	case "list_payments":
		all := &payments.PaymentPage{}
		for payment, err := range client.ListPayments(ctx, listParams(args)) {
			if err != nil {
				return nil, err
			}
			all.Payments = append(all.Payments, payment)
		}
		return pageJSON(all), nil
	case "list_payments_page":
		page, err := client.ListPaymentsPage(ctx, listParams(args), payments.PageParams{
			Token: valueOrZero(args.text("page_token")), IncludeTotalSize: args["include_total_size"] == true,
		})
		return outcome(page, err, pageJSON)
	case "list_payment_events":
		all := &payments.PaymentEventPage{}
		for event, err := range client.ListPaymentEvents(ctx, listPaymentEventsParams(args)) {
			if err != nil {
				return nil, err
			}
			all.Events = append(all.Events, event)
		}
		return eventPageJSON(all), nil
	case "list_payment_events_page":
		page, err := client.ListPaymentEventsPage(ctx, listPaymentEventsParams(args))
		return outcome(page, err, eventPageJSON)
	case "watch_payments":
		updates, err := watch(ctx, client, args)
		return outcome(updates, err, updatesJSON)
	}
	return nil, fmt.Errorf("unknown call %q", call)
}

func getPayment(ctx context.Context, client *payments.Client, args arguments) (*payments.PaymentDetails, error) {
	var options []payments.GetOption
	if caller := args.text("caller"); caller != nil {
		options = append(options, payments.OfCaller(*caller))
	}
	if reference := args.text("reference"); reference != nil {
		return client.GetPaymentByReference(ctx, *reference, options...)
	}
	if requestID := args.text("request_id"); requestID != nil {
		return client.GetPaymentByRequestID(ctx, *requestID, options...)
	}
	return client.GetPayment(ctx, valueOrZero(args.integer("payment_id")), options...)
}

// watch collects updates until they have the requested number of events of one payment or of all. It removes the events
// of other payments.
func watch(ctx context.Context, client *payments.Client, args arguments) ([]*payments.PaymentUpdate, error) {
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	paymentID, remaining := args.integer("payment_id"), valueOrZero(args.integer("count"))
	params := payments.WatchParams{
		ResumeToken:       valueOrZero(args.text("resume_token")),
		Caller:            args.text("caller"),
		OrderID:           args.integer("order_id"),
		ExternalReference: args.text("external_reference"),
		CustomerID:        args.text("customer_id"),
		Types:             names[payments.PaymentEventType](args, "types"),
	}
	var updates []*payments.PaymentUpdate
	for update, err := range client.WatchPayments(ctx, params) {
		if err != nil {
			return nil, err
		}
		switch {
		case update.Event == nil:
		case paymentID == nil, update.Event.Payment.PaymentID == *paymentID:
			remaining--
		default:
			update.Event = nil
		}
		if updates = append(updates, update); remaining <= 0 {
			break
		}
	}
	return updates, nil
}

func outcome[Result any](result Result, err error, toJSON func(Result) any) (any, error) {
	if err != nil {
		return nil, err
	}
	return toJSON(result), nil
}

func chargeParams(args arguments) payments.ChargeParams {
	return payments.ChargeParams{
		OrderID:           valueOrZero(args.integer("order_id")),
		Amount:            valueOrZero(args.amount("amount")),
		Currency:          valueOrZero(args.text("currency")),
		Method:            payments.PaymentMethod(valueOrZero(args.text("method"))),
		RequestID:         args.text("request_id"),
		ExternalReference: valueOrZero(args.text("external_reference")),
		CustomerID:        valueOrZero(args.text("customer_id")),
		Labels:            args.labels(),
		PaymentSource:     valueOrZero(args.text("payment_source")),
		ReturnURL:         valueOrZero(args.text("return_url")),
		UnlessPending:     args["unless_pending"] == true,
	}
}

func listRefundsParams(args arguments) payments.ListRefundsParams {
	return payments.ListRefundsParams{
		PaymentID: valueOrZero(args.integer("payment_id")),
		PageSize:  int32(valueOrZero(args.integer("page_size"))),
		PageToken: valueOrZero(args.text("page_token")),
	}
}

func listParams(args arguments) payments.ListParams {
	return payments.ListParams{
		OrderID:            args.integer("order_id"),
		Methods:            names[payments.PaymentMethod](args, "methods"),
		Statuses:           names[payments.PaymentStatus](args, "statuses"),
		RefundStates:       names[payments.RefundState](args, "refund_states"),
		Reference:          args.text("reference"),
		MinAmount:          args.amount("min_amount"),
		MaxAmount:          args.amount("max_amount"),
		Currency:           valueOrZero(args.text("currency")),
		MinCreateTime:      args.time("min_create_time"),
		MaxCreateTime:      args.time("max_create_time"),
		RequestID:          args.text("request_id"),
		Caller:             args.text("caller"),
		ProcessorReference: args.text("processor_reference"),
		ExternalReference:  args.text("external_reference"),
		CustomerID:         args.text("customer_id"),
		OrderBy:            valueOrZero(args.text("order_by")),
		PageSize:           int32(valueOrZero(args.integer("page_size"))),
	}
}

func listPaymentEventsParams(args arguments) payments.ListPaymentEventsParams {
	return payments.ListPaymentEventsParams{
		PaymentID: valueOrZero(args.integer("payment_id")),
		PageSize:  int32(valueOrZero(args.integer("page_size"))),
		PageToken: valueOrZero(args.text("page_token")),
	}
}

// arguments are the JSON arguments of a step. Its methods return nil, or the zero value, for a missing argument.
type arguments map[string]any

func (a arguments) text(name string) *string {
	text, ok := a[name].(string)
	if !ok {
		return nil
	}
	return &text
}

func (a arguments) integer(name string) *int64 {
	number, ok := a[name].(json.Number)
	if !ok {
		return nil
	}
	integer, err := number.Int64()
	if err != nil {
		panic(fmt.Sprintf("%s is not an integer: %s", name, number))
	}
	return &integer
}

func (a arguments) amount(name string) *decimal.Decimal {
	text := a.text(name)
	if text == nil {
		return nil
	}
	amount := decimal.RequireFromString(*text)
	return &amount
}

func (a arguments) labels() map[string]string {
	object, _ := a["labels"].(arguments)
	labels := map[string]string{}
	for key, value := range object {
		labels[key] = value.(string)
	}
	return labels
}

func (a arguments) time(name string) time.Time {
	text := a.text(name)
	if text == nil {
		return time.Time{}
	}
	moment, err := time.Parse(time.RFC3339Nano, *text)
	if err != nil {
		panic(err)
	}
	return moment
}

func names[Name ~string](args arguments, name string) []Name {
	list, _ := args[name].([]any)
	names := make([]Name, len(list))
	for index, item := range list {
		names[index] = Name(item.(string))
	}
	return names
}

// valueOrZero returns the value that pointer points to, or the zero value for nil.
func valueOrZero[T any](pointer *T) T {
	if pointer == nil {
		var zero T
		return zero
	}
	return *pointer
}
