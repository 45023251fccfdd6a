package payments

import (
	"fmt"

	paymentsv1 "payments.internal/payments/v1"
)

// enum maps the numbers of an enum of the contract to their names in this package.
type enum[Number ~int32, Name ~string] struct {
	names   map[Number]Name
	unknown Name
}

var (
	methods = enum[paymentsv1.PaymentMethod, PaymentMethod]{map[paymentsv1.PaymentMethod]PaymentMethod{
		paymentsv1.PaymentMethod_PAYMENT_METHOD_UPI:   MethodUPI,
		paymentsv1.PaymentMethod_PAYMENT_METHOD_CARD:  MethodCard,
		paymentsv1.PaymentMethod_PAYMENT_METHOD_COD:   MethodCOD,
		paymentsv1.PaymentMethod_PAYMENT_METHOD_OTHER: MethodOther,
	}, MethodUnknown}
	statuses = enum[paymentsv1.PaymentStatus, PaymentStatus]{map[paymentsv1.PaymentStatus]PaymentStatus{
		paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING:   StatusPending,
		paymentsv1.PaymentStatus_PAYMENT_STATUS_SUCCEEDED: StatusSucceeded,
		paymentsv1.PaymentStatus_PAYMENT_STATUS_FAILED:    StatusFailed,
	}, StatusUnknown}
	refundStates = enum[paymentsv1.RefundState, RefundState]{map[paymentsv1.RefundState]RefundState{
		paymentsv1.RefundState_REFUND_STATE_NONE:    RefundStateNone,
		paymentsv1.RefundState_REFUND_STATE_PARTIAL: RefundStatePartial,
		paymentsv1.RefundState_REFUND_STATE_FULL:    RefundStateFull,
	}, RefundStateUnknown}
	refundStatuses = enum[paymentsv1.RefundStatus, RefundStatus]{map[paymentsv1.RefundStatus]RefundStatus{
		paymentsv1.RefundStatus_REFUND_STATUS_PENDING:   RefundStatusPending,
		paymentsv1.RefundStatus_REFUND_STATUS_SUCCEEDED: RefundStatusSucceeded,
		paymentsv1.RefundStatus_REFUND_STATUS_FAILED:    RefundStatusFailed,
	}, RefundStatusUnknown}
	eventTypes = enum[paymentsv1.PaymentEventType, PaymentEventType]{map[paymentsv1.PaymentEventType]PaymentEventType{
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_PENDING:         EventPending,
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_CHARGED:         EventCharged,
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_FAILED:          EventFailed,
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_REFUND_PENDING:  EventRefundPending,
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_REFUNDED:        EventRefunded,
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_REFUND_FAILED:   EventRefundFailed,
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_IMPORTED:        EventImported,
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_FORGOTTEN:       EventForgotten,
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_ACTION_REQUIRED: EventActionRequired,
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_DISPUTE_OPENED:  EventDisputeOpened,
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_DISPUTE_WON:     EventDisputeWon,
		paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_DISPUTE_LOST:    EventDisputeLost,
	}, EventUnknown}
	nextActionTypes = enum[paymentsv1.NextActionType, NextActionType]{map[paymentsv1.NextActionType]NextActionType{
		paymentsv1.NextActionType_NEXT_ACTION_TYPE_REDIRECT:         NextActionRedirect,
		paymentsv1.NextActionType_NEXT_ACTION_TYPE_APPROVE_ON_PHONE: NextActionApproveOnPhone,
	}, NextActionUnknown}
	disputeStatuses = enum[paymentsv1.DisputeStatus, DisputeStatus]{map[paymentsv1.DisputeStatus]DisputeStatus{
		paymentsv1.DisputeStatus_DISPUTE_STATUS_OPEN: DisputeOpen,
		paymentsv1.DisputeStatus_DISPUTE_STATUS_WON:  DisputeWon,
		paymentsv1.DisputeStatus_DISPUTE_STATUS_LOST: DisputeLost,
	}, DisputeUnknown}
	failures = enum[paymentsv1.Failure, Failure]{map[paymentsv1.Failure]Failure{
		paymentsv1.Failure_FAILURE_UNSPECIFIED:             FailureNone,
		paymentsv1.Failure_FAILURE_INSUFFICIENT_FUNDS:      FailureInsufficientFunds,
		paymentsv1.Failure_FAILURE_EXPIRED_METHOD:          FailureExpiredMethod,
		paymentsv1.Failure_FAILURE_INVALID_METHOD:          FailureInvalidMethod,
		paymentsv1.Failure_FAILURE_AUTHENTICATION_REQUIRED: FailureAuthenticationRequired,
		paymentsv1.Failure_FAILURE_SUSPECTED_FRAUD:         FailureSuspectedFraud,
		paymentsv1.Failure_FAILURE_LIMIT_EXCEEDED:          FailureLimitExceeded,
		paymentsv1.Failure_FAILURE_DECLINED:                FailureDeclined,
		paymentsv1.Failure_FAILURE_PROCESSOR_ERROR:         FailureProcessorError,
	}, FailureUnknown}
)

// name returns the name of a number, or unknown for a number that only a newer service has.
func (e enum[Number, Name]) name(number Number) Name {
	if name, ok := e.names[number]; ok {
		return name
	}
	return e.unknown
}

// numbers returns the numbers of some names. The error gives the name of their argument.
func (e enum[Number, Name]) numbers(argument string, names ...Name) ([]Number, error) {
	numbers := make([]Number, len(names))
	for index, name := range names {
		number, err := e.number(argument, name)
		if err != nil {
			return nil, err
		}
		numbers[index] = number
	}
	return numbers, nil
}

func (e enum[Number, Name]) number(argument string, wanted Name) (Number, error) {
	for number, name := range e.names {
		if name == wanted {
			return number, nil
		}
	}
	return 0, &ArgumentError{argument, fmt.Sprintf("cannot be %q: the contract has no such value", wanted)}
}
