package paymentstest

import (
	"time"

	paymentsv1 "payments.internal/payments/v1"
)

const (
	successSource = "sim_success"
	// disputeDelay is the time from a charge until its payer disputes it, and from then until the bank decides.
	disputeDelay = 5 * time.Second
)

// source says how the simulated processor answers a charge, and the refunds of its payment.
type source struct {
	charge, refund answer
	// needsApproval is whether the payer must approve the charge while it is pending.
	needsApproval bool
	// lateRefundFailure is the failure that follows the success of a refund, or zero if that is final.
	lateRefundFailure answer
	// dispute is how the bank decides the payer's dispute, or zero if the payer opens none.
	dispute paymentsv1.DisputeStatus
}

func (s source) hasDispute() bool {
	return s.dispute != paymentsv1.DisputeStatus_DISPUTE_STATUS_UNSPECIFIED
}

// answer is an answer of the simulated processor: immediately, or after a delay during which the request is pending.
// The zero value is an immediate success.
type answer struct {
	delay   time.Duration
	failure paymentsv1.Failure
	// code is the processor's own code for the failure.
	code string
}

func (a answer) isSuccess() bool { return a.failure == paymentsv1.Failure_FAILURE_UNSPECIFIED }

// sources are the payment sources in the table of ChargeRequest in payments.proto.
var sources = map[string]source{
	successSource: {},
	"sim_insufficient_funds": {charge: answer{
		failure: paymentsv1.Failure_FAILURE_INSUFFICIENT_FUNDS, code: "insufficient_funds",
	}},
	"sim_expired_method": {charge: answer{
		failure: paymentsv1.Failure_FAILURE_EXPIRED_METHOD, code: "expired_method",
	}},
	"sim_invalid_method": {charge: answer{
		failure: paymentsv1.Failure_FAILURE_INVALID_METHOD, code: "invalid_method",
	}},
	"sim_authentication_required": {charge: answer{
		failure: paymentsv1.Failure_FAILURE_AUTHENTICATION_REQUIRED, code: "authentication_required",
	}},
	"sim_fraud": {charge: answer{
		failure: paymentsv1.Failure_FAILURE_SUSPECTED_FRAUD, code: "suspected_fraud",
	}},
	"sim_limit_exceeded": {charge: answer{
		failure: paymentsv1.Failure_FAILURE_LIMIT_EXCEEDED, code: "limit_exceeded",
	}},
	"sim_declined": {charge: declined},
	"sim_processor_error": {charge: answer{
		failure: paymentsv1.Failure_FAILURE_PROCESSOR_ERROR, code: "processor_error",
	}},
	"sim_pending_5s": {charge: answer{delay: 5 * time.Second}},
	"sim_pending_5s_declined": {charge: answer{
		delay: 5 * time.Second, failure: declined.failure, code: declined.code,
	}},
	"sim_approval_5s": {charge: answer{delay: 5 * time.Second}, needsApproval: true},
	"sim_approval_5s_refused": {needsApproval: true, charge: answer{
		delay: 5 * time.Second, failure: paymentsv1.Failure_FAILURE_AUTHENTICATION_REQUIRED, code: "authentication_required",
	}},
	"sim_timeout": {charge: answer{
		delay: 30 * time.Second, failure: paymentsv1.Failure_FAILURE_PROCESSOR_ERROR, code: "timeout",
	}},
	"sim_refund_fails":      {refund: declined},
	"sim_refund_pending_5s": {refund: answer{delay: 5 * time.Second}},
	"sim_refund_fails_after_5s": {lateRefundFailure: answer{
		delay: 5 * time.Second, failure: declined.failure, code: declined.code,
	}},
	"sim_dispute_5s_won":  {dispute: paymentsv1.DisputeStatus_DISPUTE_STATUS_WON},
	"sim_dispute_5s_lost": {dispute: paymentsv1.DisputeStatus_DISPUTE_STATUS_LOST},
}

var declined = answer{failure: paymentsv1.Failure_FAILURE_DECLINED, code: "declined"}
