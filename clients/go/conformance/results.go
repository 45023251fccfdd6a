package main

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"payments.internal/payments"
)

func paymentJSON(payment *payments.Payment) any {
	object := map[string]any{
		"payment_id":          integerJSON(payment.PaymentID),
		"order_id":            integerJSON(payment.OrderID),
		"amount":              nil,
		"currency":            nil,
		"method":              string(payment.Method),
		"other_method":        payment.OtherMethod,
		"status":              string(payment.Status),
		"reference":           payment.Reference,
		"create_time":         timeJSON(payment.CreateTime),
		"refunded_amount":     nil,
		"refund_state":        string(payment.RefundState),
		"caller":              payment.Caller,
		"request_id":          payment.RequestID,
		"processor_reference": payment.ProcessorReference,
		"failure":             failureJSON(payment.Failure),
		"failure_code":        payment.FailureCode,
		"external_reference":  payment.ExternalReference,
		"customer_id":         payment.CustomerID,
		"labels":              labelsJSON(payment.Labels),
		"next_action":         nextActionJSON(payment.NextAction),
		"dispute":             disputeJSON(payment.Dispute),
	}
	if payment.HasAmount() {
		object["amount"] = amountJSON(payment.Amount)
		object["currency"] = payment.Currency
		object["refunded_amount"] = amountJSON(payment.RefundedAmount)
	}
	return object
}

func nextActionJSON(action *payments.NextAction) any {
	if action == nil {
		return nil
	}
	return map[string]any{
		"type":         string(action.Type),
		"redirect_url": action.RedirectURL,
		"expire_time":  timeJSON(action.ExpireTime),
	}
}

func disputeJSON(dispute *payments.Dispute) any {
	if dispute == nil {
		return nil
	}
	object := map[string]any{
		"status":              string(dispute.Status),
		"amount":              nil,
		"currency":            nil,
		"reason":              dispute.Reason,
		"open_time":           timeJSON(dispute.OpenTime),
		"close_time":          timeJSON(dispute.CloseTime),
		"processor_reference": dispute.ProcessorReference,
	}
	if dispute.HasAmount() {
		object["amount"] = amountJSON(dispute.Amount)
		object["currency"] = dispute.Currency
	}
	return object
}

func batchJSON(results []payments.BatchChargeResult) any {
	list := listJSON(results, func(result payments.BatchChargeResult) any {
		if result.Err != nil {
			return map[string]any{"payment": nil, "error": errorJSON(result.Err)}
		}
		return map[string]any{"payment": paymentJSON(result.Payment), "error": nil}
	})
	return map[string]any{"results": list}
}

func errorJSON(err error) any {
	var base *payments.CallError
	var invalid *payments.InvalidRequestError
	violations := []any{}
	if errors.As(err, &invalid) {
		violations = listJSON(invalid.Violations, func(violation payments.FieldViolation) any { return violation.Field })
	}
	errors.As(err, &base)
	return map[string]any{"reason": base.Reason, "has_request_id": base.RequestID != "", "violations": violations}
}

func refundJSON(refund *payments.Refund) any {
	return map[string]any{
		"refund_id":           integerJSON(refund.RefundID),
		"payment_id":          integerJSON(refund.PaymentID),
		"amount":              amountJSON(refund.Amount),
		"currency":            refund.Currency,
		"status":              string(refund.Status),
		"reason":              refund.Reason,
		"create_time":         timeJSON(refund.CreateTime),
		"caller":              refund.Caller,
		"request_id":          refund.RequestID,
		"processor_reference": refund.ProcessorReference,
		"failure":             failureJSON(refund.Failure),
		"failure_code":        refund.FailureCode,
	}
}

func refundResultJSON(result *payments.RefundResult) any {
	object := map[string]any{"refund": nil, "payment": paymentJSON(result.Payment)}
	if result.Refund != nil {
		object["refund"] = refundJSON(result.Refund)
	}
	return object
}

func detailsJSON(details *payments.PaymentDetails) any {
	return map[string]any{
		"payment":                 paymentJSON(details.Payment),
		"refunds":                 listJSON(details.Refunds, refundJSON),
		"next_refunds_page_token": details.NextRefundsPageToken,
	}
}

func refundPageJSON(page *payments.RefundPage) any {
	return map[string]any{
		"refunds":         listJSON(page.Refunds, refundJSON),
		"next_page_token": page.NextPageToken,
	}
}

func pageJSON(page *payments.PaymentPage) any {
	object := map[string]any{
		"payments":        listJSON(page.Payments, paymentJSON),
		"next_page_token": page.NextPageToken,
		"total_size":      nil,
	}
	if page.TotalSize != nil {
		object["total_size"] = integerJSON(*page.TotalSize)
	}
	return object
}

func eventPageJSON(page *payments.PaymentEventPage) any {
	return map[string]any{
		"events":          listJSON(page.Events, eventJSON),
		"next_page_token": page.NextPageToken,
	}
}

// updatesJSON returns the events of the updates and the last token.
func updatesJSON(updates []*payments.PaymentUpdate) any {
	events := []any{}
	for _, update := range updates {
		if update.Event != nil {
			events = append(events, eventJSON(update.Event))
		}
	}
	return map[string]any{"events": events, "resume_token": updates[len(updates)-1].ResumeToken}
}

func eventJSON(event *payments.PaymentEvent) any {
	object := map[string]any{
		"type":       string(event.Type),
		"event_time": timeJSON(event.EventTime),
		"payment":    paymentJSON(event.Payment),
		"refund":     nil,
		"caller":     event.Caller,
		"request_id": event.RequestID,
	}
	if event.Refund != nil {
		object["refund"] = refundJSON(event.Refund)
	}
	return object
}

func failureJSON(failure payments.Failure) any {
	if failure == payments.FailureNone {
		return nil
	}
	return string(failure)
}

func labelsJSON(labels map[string]string) any {
	object := map[string]any{}
	for key, value := range labels {
		object[key] = value
	}
	return object
}

func listJSON[Item any](items []Item, toJSON func(Item) any) []any {
	list := make([]any, len(items))
	for index, item := range items {
		list[index] = toJSON(item)
	}
	return list
}

func integerJSON(integer int64) any { return json.Number(strconv.FormatInt(integer, 10)) }

// amountJSON returns an amount with all its decimals. The client returns at least two.
func amountJSON(amount decimal.Decimal) string { return amount.StringFixed(-amount.Exponent()) }

func timeJSON(moment time.Time) any {
	if moment.IsZero() {
		return nil
	}
	return moment.Format(time.RFC3339Nano)
}
