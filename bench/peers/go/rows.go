package main

import (
	"database/sql"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	paymentsv1 "payments.internal/payments/v1"
)

const (
	paymentColumns = "p.payment_id, p.order_id, p.amount, p.currency, p.method, p.status, p.reference, p.created_at, " +
		"p.refunded_amount, p.refunded"
	refundColumns = "r.refund_id, r.payment_id, r.amount, p.currency, r.status, r.reason, r.created_at"
)

var (
	methodNames = map[paymentsv1.PaymentMethod]string{
		paymentsv1.PaymentMethod_PAYMENT_METHOD_UPI:  "UPI",
		paymentsv1.PaymentMethod_PAYMENT_METHOD_CARD: "CARD",
		paymentsv1.PaymentMethod_PAYMENT_METHOD_COD:  "COD",
	}
	methodsByName = map[string]paymentsv1.PaymentMethod{
		"UPI":  paymentsv1.PaymentMethod_PAYMENT_METHOD_UPI,
		"CARD": paymentsv1.PaymentMethod_PAYMENT_METHOD_CARD,
		"COD":  paymentsv1.PaymentMethod_PAYMENT_METHOD_COD,
	}
)

// A payment is a row of payments. Rows of the legacy service may have no amount, reference or time.
type payment struct {
	id             int64
	orderID        int64
	amount         sql.Null[amountMinor]
	currency       string
	method         string
	succeeded      sql.NullBool // null while the payment is pending
	reference      sql.NullString
	createTime     sql.NullTime
	refundedAmount amountMinor
	refunded       bool // in full
}

// fields returns the scan destinations of paymentColumns.
func (p *payment) fields() []any {
	return []any{
		&p.id, &p.orderID, &p.amount, &p.currency, &p.method, &p.succeeded, &p.reference, &p.createTime,
		&p.refundedAmount, &p.refunded,
	}
}

func (p *payment) message() *paymentsv1.Payment {
	message := &paymentsv1.Payment{
		PaymentId:   p.id,
		OrderId:     p.orderID,
		Method:      methodsByName[strings.TrimRight(p.method, " ")],
		Status:      paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING,
		Reference:   p.reference.String,
		RefundState: paymentsv1.RefundState_REFUND_STATE_NONE,
	}
	if message.Method == paymentsv1.PaymentMethod_PAYMENT_METHOD_UNSPECIFIED {
		message.Method, message.OtherMethod = paymentsv1.PaymentMethod_PAYMENT_METHOD_OTHER, p.method
	}
	if p.succeeded.Valid {
		message.Status = paymentsv1.PaymentStatus_PAYMENT_STATUS_FAILED
		if p.succeeded.Bool {
			message.Status = paymentsv1.PaymentStatus_PAYMENT_STATUS_SUCCEEDED
		}
	}
	if p.createTime.Valid {
		message.CreateTime = timestamppb.New(p.createTime.Time)
	}
	refundedAmount := p.refundedAmount
	switch {
	case p.refunded:
		message.RefundState = paymentsv1.RefundState_REFUND_STATE_FULL
		refundedAmount = p.amount.V // the legacy service stored only the flag
	case p.refundedAmount > 0:
		message.RefundState = paymentsv1.RefundState_REFUND_STATE_PARTIAL
	}
	if p.amount.Valid {
		message.Amount = p.amount.V.message(p.currency)
		message.RefundedAmount = refundedAmount.message(p.currency)
	}
	return message
}

// A refund is a row of refunds. All fields are null in the joined row of a payment without refunds.
type refund struct {
	id         sql.NullInt64
	paymentID  sql.NullInt64
	amount     sql.Null[amountMinor]
	currency   string
	succeeded  sql.NullBool
	reason     sql.NullString
	createTime sql.NullTime
}

// fields returns the scan destinations of refundColumns.
func (r *refund) fields() []any {
	return []any{&r.id, &r.paymentID, &r.amount, &r.currency, &r.succeeded, &r.reason, &r.createTime}
}

func (r *refund) message() *paymentsv1.Refund {
	message := &paymentsv1.Refund{
		RefundId:   r.id.Int64,
		PaymentId:  r.paymentID.Int64,
		Amount:     r.amount.V.message(r.currency),
		Status:     paymentsv1.RefundStatus_REFUND_STATUS_PENDING,
		Reason:     r.reason.String,
		CreateTime: timestamppb.New(r.createTime.Time),
	}
	if r.succeeded.Valid {
		message.Status = paymentsv1.RefundStatus_REFUND_STATUS_FAILED
		if r.succeeded.Bool {
			message.Status = paymentsv1.RefundStatus_REFUND_STATUS_SUCCEEDED
		}
	}
	return message
}
