package paymentstest

import (
	"cmp"
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	paymentsv1 "payments.internal/payments/v1"
)

const maxReasonLength = 255

// Refund refunds a payment in full or in part.
func (s *server) Refund(
	ctx context.Context, request *paymentsv1.RefundRequest,
) (*paymentsv1.RefundResponse, error) {
	requested, err := s.readRefund(request)
	if err != nil {
		return nil, err
	}
	parameters := proto.CloneOf(request)
	parameters.RequestId = nil
	if requested != nil {
		parameters.Amount = requested.message()
	}
	requestID := requestIDOr(request.RequestId)
	if earlier, ok := s.refunds[requestID]; ok {
		if !proto.Equal(earlier.parameters, parameters) {
			return nil, requestIDReused("Refund", requestID)
		}
		if err := markReplayed(ctx); err != nil {
			return nil, err
		}
		return s.refundResponse(s.ledger.refunds[earlier.id-1]), nil
	}
	payment := s.ledger.payment(request.GetPaymentId())
	if payment == nil {
		return nil, errPaymentNotFound
	}
	if request.RequestId == nil && isFullRefundRepeated(payment, requested) {
		return s.refundResponse(s.lastRefundOf(payment)), nil
	}
	refunded, err := amountToRefund(payment, requested)
	if err != nil {
		return nil, err
	}
	refund := s.ledger.addRefund(&paymentsv1.Refund{
		PaymentId: payment.GetPaymentId(), Amount: refunded.message(), Reason: request.GetReason(),
		Caller: callerName, RequestId: requestID,
	})
	s.refunds[requestID] = earlierRequest{parameters, refund.GetRefundId()}
	return s.refundResponse(refund), nil
}

// readRefund checks a refund, and returns its amount, or nil if it has none.
func (s *server) readRefund(request *paymentsv1.RefundRequest) (*amount, error) {
	var reader reader
	var requested *amount
	reader.id("payment_id", request.GetPaymentId())
	if request.GetAmount() != nil {
		currency := cmp.Or(request.GetAmount().GetCurrencyCode(), s.settings.defaultCurrency)
		amount := reader.positiveAmount("amount", request.GetAmount(), currency)
		requested = &amount
	}
	if !isText(request.GetReason(), maxReasonLength) {
		description := fmt.Sprintf("must be at most %d characters, without control characters", maxReasonLength)
		reader.reject("reason", description)
	}
	reader.requestID("request_id", request.RequestId)
	return requested, reader.err()
}

// amountToRefund returns the requested amount, or everything not yet refunded if that is nil.
func amountToRefund(payment *paymentsv1.Payment, requested *amount) (amount, error) {
	switch payment.GetStatus() {
	case paymentsv1.PaymentStatus_PAYMENT_STATUS_FAILED:
		return amount{}, failedPrecondition("PAYMENT_FAILED", "payment failed; there is nothing to refund")
	case paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING:
		message := "payment is pending; it can be refunded once it has succeeded"
		return amount{}, failedPrecondition("PAYMENT_PENDING", message)
	}
	remaining := amountOf(payment.GetAmount())
	remaining.minorUnits -= amountOf(payment.GetRefundedAmount()).minorUnits
	if remaining.minorUnits == 0 {
		return amount{}, failedPrecondition("REFUND_EXCEEDS_PAYMENT", "nothing is left to refund")
	}
	if err := checkDispute(payment.GetDispute()); err != nil {
		return amount{}, err
	}
	switch {
	case requested == nil:
		return remaining, nil
	case requested.currency != remaining.currency:
		var reader reader
		reader.reject("amount.currency_code", "must be the payment's currency, "+remaining.currency)
		return amount{}, reader.err()
	case requested.minorUnits > remaining.minorUnits:
		message := fmt.Sprintf("only %s is left to refund", remaining)
		return amount{}, failedPrecondition("REFUND_EXCEEDS_PAYMENT", message)
	}
	return *requested, nil
}

// checkDispute rejects a refund of a payment with this dispute, which may be nil, if the payer might get the money
// twice.
func checkDispute(dispute *paymentsv1.Dispute) error {
	switch dispute.GetStatus() {
	case paymentsv1.DisputeStatus_DISPUTE_STATUS_OPEN:
		message := "the payer disputes this payment; it cannot be refunded while the dispute is open"
		return failedPrecondition("PAYMENT_DISPUTED", message)
	case paymentsv1.DisputeStatus_DISPUTE_STATUS_LOST:
		message := "the payer got the money back by a dispute; it cannot be refunded"
		return failedPrecondition("PAYMENT_DISPUTED", message)
	}
	return nil
}

// isFullRefundRepeated reports whether a refund without a request_id repeats the full refund of the payment.
func isFullRefundRepeated(payment *paymentsv1.Payment, requested *amount) bool {
	return payment.GetRefundState() == paymentsv1.RefundState_REFUND_STATE_FULL &&
		(requested == nil || *requested == amountOf(payment.GetAmount()))
}

// lastRefundOf returns the last refund of a payment that did not fail.
func (s *server) lastRefundOf(payment *paymentsv1.Payment) *paymentsv1.Refund {
	var last *paymentsv1.Refund
	for _, refund := range s.ledger.refundsOf(payment.GetPaymentId(), 0) {
		if refund.GetStatus() != paymentsv1.RefundStatus_REFUND_STATUS_FAILED {
			last = refund
		}
	}
	return last
}

// refundResponse returns a refund with its payment in its current state.
func (s *server) refundResponse(refund *paymentsv1.Refund) *paymentsv1.RefundResponse {
	return &paymentsv1.RefundResponse{Refund: refund, Payment: s.ledger.payment(refund.GetPaymentId())}
}
