package paymentstest

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	paymentsv1 "payments.internal/payments/v1"
)

// callerName is the caller of everything, because the service does not authenticate.
const callerName = "anonymous"

// ledger holds the payments, refunds and events. Its messages never change: a change replaces the message, so a
// response or an event may share it. The ledger is not safe for concurrent use.
type ledger struct {
	now time.Time
	// payments, refunds and events are in the order of their ids, which are 1, 2, 3 and so on.
	payments []*paymentsv1.Payment
	refunds  []*paymentsv1.Refund
	events   []*paymentsv1.PaymentEvent
	// sources are the payment sources of the payments, by payment_id.
	sources map[int64]source
	// pending are the outcomes that have not arrived yet, the next one first.
	pending []pendingOutcome
	// changed is closed, and replaced, when there is a new event.
	changed chan struct{}
}

type pendingOutcome struct {
	due    time.Time
	arrive func()
}

func newLedger() ledger { return ledger{sources: map[int64]source{}, changed: make(chan struct{})} }

// advance sets the time, and lets all outcomes arrive that are due. Each of them happens at its own time.
func (l *ledger) advance(now time.Time) {
	for len(l.pending) > 0 && !l.pending[0].due.After(now) {
		next := l.pending[0]
		l.pending = l.pending[1:]
		l.now = next.due
		next.arrive()
	}
	l.now = now
}

func (l *ledger) schedule(delay time.Duration, arrive func()) {
	l.pending = append(l.pending, pendingOutcome{l.now.Add(delay), arrive})
	slices.SortStableFunc(l.pending, func(a, b pendingOutcome) int { return a.due.Compare(b.due) })
}

// payment returns the payment with this id, or nil if there is none.
func (l *ledger) payment(paymentID int64) *paymentsv1.Payment {
	if paymentID < 1 || paymentID > int64(len(l.payments)) {
		return nil
	}
	return l.payments[paymentID-1]
}

// findPayment returns the oldest payment that matches, or nil if there is none.
func (l *ledger) findPayment(matches func(*paymentsv1.Payment) bool) *paymentsv1.Payment {
	if index := slices.IndexFunc(l.payments, matches); index >= 0 {
		return l.payments[index]
	}
	return nil
}

// addPayment stores a new payment and its first events, and returns it. The payment has everything but its id, its
// reference, its time and its outcome. A payment with a dispute was pending before, as in the service.
func (l *ledger) addPayment(payment *paymentsv1.Payment, source source) *paymentsv1.Payment {
	payment.PaymentId = int64(len(l.payments)) + 1
	payment.Reference = "ECI" + l.now.Format("20060102") + "-" + strings.ToUpper(randomHex(10))
	payment.CreateTime = timestamppb.New(l.now)
	payment.Status = paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING
	l.payments = append(l.payments, payment)
	l.sources[payment.GetPaymentId()] = source
	if source.needsApproval {
		payment.NextAction = &paymentsv1.NextAction{
			Type:        paymentsv1.NextActionType_NEXT_ACTION_TYPE_REDIRECT,
			RedirectUrl: "https://payments.example/approve/" + payment.GetReference(),
			ExpireTime:  timestamppb.New(l.now.Add(source.charge.delay)),
		}
	}
	if source.charge.delay > 0 || source.hasDispute() {
		l.addPaymentEvent(paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_PENDING, payment)
	}
	if source.needsApproval {
		l.addPaymentEvent(paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_ACTION_REQUIRED, payment)
	}
	if source.hasDispute() {
		l.schedule(disputeDelay, func() { l.openDispute(payment.GetPaymentId(), source.dispute) })
	}
	if source.charge.delay == 0 {
		return l.completePayment(payment.GetPaymentId(), source.charge)
	}
	l.schedule(source.charge.delay, func() { l.completePayment(payment.GetPaymentId(), source.charge) })
	return payment
}

// completePayment stores the outcome of a pending payment, and returns the payment.
func (l *ledger) completePayment(paymentID int64, outcome answer) *paymentsv1.Payment {
	payment := proto.CloneOf(l.payment(paymentID))
	payment.NextAction = nil
	payment.Failure, payment.FailureCode = outcome.failure, outcome.code
	event := paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_CHARGED
	payment.Status = paymentsv1.PaymentStatus_PAYMENT_STATUS_SUCCEEDED
	if !outcome.isSuccess() {
		event = paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_FAILED
		payment.Status = paymentsv1.PaymentStatus_PAYMENT_STATUS_FAILED
	}
	l.payments[paymentID-1] = payment
	l.addPaymentEvent(event, payment)
	return payment
}

// openDispute stores a dispute of the whole payment, which the bank decides later.
func (l *ledger) openDispute(paymentID int64, decision paymentsv1.DisputeStatus) {
	payment := proto.CloneOf(l.payment(paymentID))
	payment.Dispute = &paymentsv1.Dispute{
		Status:             paymentsv1.DisputeStatus_DISPUTE_STATUS_OPEN,
		Amount:             payment.GetAmount(),
		Reason:             "fraudulent",
		OpenTime:           timestamppb.New(l.now),
		ProcessorReference: "sim_dispute_" + strconv.FormatInt(paymentID, 10),
	}
	l.payments[paymentID-1] = payment
	l.addDisputeEvent(paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_DISPUTE_OPENED, payment)
	l.schedule(disputeDelay, func() { l.closeDispute(paymentID, decision) })
}

// closeDispute stores the bank's decision of an open dispute.
func (l *ledger) closeDispute(paymentID int64, decision paymentsv1.DisputeStatus) {
	payment := proto.CloneOf(l.payment(paymentID))
	payment.Dispute.Status, payment.Dispute.CloseTime = decision, timestamppb.New(l.now)
	event := paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_DISPUTE_WON
	if decision == paymentsv1.DisputeStatus_DISPUTE_STATUS_LOST {
		event = paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_DISPUTE_LOST
	}
	l.payments[paymentID-1] = payment
	l.addDisputeEvent(event, payment)
}

// addRefund stores a new refund and its first events, and returns it. The refund has everything but its id, its time
// and its outcome. A refund that fails was pending before, as with a real processor.
func (l *ledger) addRefund(refund *paymentsv1.Refund) *paymentsv1.Refund {
	source := l.sources[refund.GetPaymentId()]
	outcome, late := source.refund, source.lateRefundFailure
	refund.RefundId = int64(len(l.refunds)) + 1
	refund.CreateTime = timestamppb.New(l.now)
	refund.Status = paymentsv1.RefundStatus_REFUND_STATUS_PENDING
	l.refunds = append(l.refunds, refund)
	l.addToRefundedAmount(refund.GetPaymentId(), amountOf(refund.GetAmount()).minorUnits)
	if outcome.delay > 0 || !outcome.isSuccess() || !late.isSuccess() {
		l.addRefundEvent(paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_REFUND_PENDING, refund)
	}
	if !late.isSuccess() {
		l.schedule(late.delay, func() { l.completeRefund(refund.GetRefundId(), late) })
	}
	if outcome.delay == 0 {
		return l.completeRefund(refund.GetRefundId(), outcome)
	}
	l.schedule(outcome.delay, func() { l.completeRefund(refund.GetRefundId(), outcome) })
	return refund
}

// completeRefund stores the outcome of a pending refund, or the failure of one that had succeeded, and returns the
// refund.
func (l *ledger) completeRefund(refundID int64, outcome answer) *paymentsv1.Refund {
	refund := proto.CloneOf(l.refunds[refundID-1])
	refund.Failure, refund.FailureCode = outcome.failure, outcome.code
	event := paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_REFUNDED
	refund.Status = paymentsv1.RefundStatus_REFUND_STATUS_SUCCEEDED
	if !outcome.isSuccess() {
		event = paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_REFUND_FAILED
		refund.Status = paymentsv1.RefundStatus_REFUND_STATUS_FAILED
		l.addToRefundedAmount(refund.GetPaymentId(), -amountOf(refund.GetAmount()).minorUnits)
	}
	l.refunds[refundID-1] = refund
	l.addRefundEvent(event, refund)
	return refund
}

// addToRefundedAmount changes the refunded amount of a payment.
func (l *ledger) addToRefundedAmount(paymentID int64, minorUnits int64) {
	payment := proto.CloneOf(l.payment(paymentID))
	charged, refunded := amountOf(payment.GetAmount()), amountOf(payment.GetRefundedAmount())
	refunded.minorUnits += minorUnits
	payment.RefundedAmount = refunded.message()
	switch refunded.minorUnits {
	case 0:
		payment.RefundState = paymentsv1.RefundState_REFUND_STATE_NONE
	case charged.minorUnits:
		payment.RefundState = paymentsv1.RefundState_REFUND_STATE_FULL
	default:
		payment.RefundState = paymentsv1.RefundState_REFUND_STATE_PARTIAL
	}
	l.payments[paymentID-1] = payment
}

func (l *ledger) addPaymentEvent(kind paymentsv1.PaymentEventType, payment *paymentsv1.Payment) {
	l.addEvent(&paymentsv1.PaymentEvent{
		Type: kind, Payment: payment, Caller: payment.GetCaller(), RequestId: payment.GetRequestId(),
	})
}

// addDisputeEvent stores an event that no caller requested.
func (l *ledger) addDisputeEvent(kind paymentsv1.PaymentEventType, payment *paymentsv1.Payment) {
	l.addEvent(&paymentsv1.PaymentEvent{Type: kind, Payment: payment})
}

func (l *ledger) addRefundEvent(kind paymentsv1.PaymentEventType, refund *paymentsv1.Refund) {
	l.addEvent(&paymentsv1.PaymentEvent{
		Type: kind, Payment: l.payment(refund.GetPaymentId()), Refund: refund,
		Caller: refund.GetCaller(), RequestId: refund.GetRequestId(),
	})
}

// currentEvents returns events as a response shows them: without the next action of a payment that has its outcome.
func (l *ledger) currentEvents(events []*paymentsv1.PaymentEvent) []*paymentsv1.PaymentEvent {
	current := slices.Clone(events)
	for index, event := range current {
		if l.payment(event.GetPayment().GetPaymentId()).GetNextAction() == nil && event.GetPayment().GetNextAction() != nil {
			current[index] = proto.CloneOf(event)
			current[index].Payment.NextAction = nil
		}
	}
	return current
}

func (l *ledger) addEvent(event *paymentsv1.PaymentEvent) {
	event.EventTime = timestamppb.New(l.now)
	l.events = append(l.events, event)
	close(l.changed)
	l.changed = make(chan struct{})
}

// refundsOf returns the refunds of a payment after the refund with the id after, oldest first.
func (l *ledger) refundsOf(paymentID, after int64) []*paymentsv1.Refund {
	var refunds []*paymentsv1.Refund
	for _, refund := range l.refunds[min(after, int64(len(l.refunds))):] {
		if refund.GetPaymentId() == paymentID {
			refunds = append(refunds, refund)
		}
	}
	return refunds
}

// randomHex returns random bytes in hexadecimal.
func randomHex(count int) string {
	random := make([]byte, count)
	rand.Read(random) // Never returns an error.
	return hex.EncodeToString(random)
}
