package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	lockPaymentText  = "SELECT " + paymentColumns + " FROM payments p WHERE p.payment_id = ? FOR UPDATE"
	selectRefundText = "SELECT r.requested_amount, " + refundColumns +
		" FROM refunds r JOIN payments p ON p.payment_id = r.payment_id WHERE r.caller = ? AND r.request_id = ?"
	selectLastRefundText = "SELECT " + refundColumns +
		" FROM refunds r JOIN payments p ON p.payment_id = r.payment_id" +
		" WHERE r.payment_id = ? ORDER BY r.refund_id DESC LIMIT 1"
	insertRefundText = `
		INSERT INTO refunds (payment_id, amount, requested_amount, status, reason, caller, request_id, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	updateRefundedText = "UPDATE payments SET refunded_amount = ?, refunded = ? WHERE payment_id = ?"
)

// A refundOutcome is a refund, which is nil if the legacy service stored it, and its payment afterwards.
type refundOutcome struct {
	refund   *refund
	payment  payment
	replayed bool
}

// refund stores a refund and updates its payment, or returns the earlier refund with the same request_id.
func (s *store) refund(ctx context.Context, request newRefund) (refundOutcome, error) {
	var outcome refundOutcome
	attempt := func() (err error) {
		outcome, err = s.refundOnce(ctx, request)
		return err
	}
	err := withRetry(attempt)
	if isDuplicate(err) {
		// A concurrent refund of another payment had the same request_id. It is stored now, so the retry finds it.
		err = withRetry(attempt)
	}
	return outcome, err
}

func (s *store) refundOnce(ctx context.Context, request newRefund) (refundOutcome, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return refundOutcome{}, err
	}
	defer tx.Rollback() // does nothing after the commit
	outcome, err := s.refundWithin(ctx, tx, request)
	if err != nil {
		return refundOutcome{}, err
	}
	return outcome, tx.Commit()
}

func (s *store) refundWithin(ctx context.Context, tx *sql.Tx, request newRefund) (refundOutcome, error) {
	var p payment
	err := tx.StmtContext(ctx, s.lockPayment).QueryRowContext(ctx, request.paymentID).Scan(p.fields()...)
	missing := errors.Is(err, sql.ErrNoRows)
	if err != nil && !missing {
		return refundOutcome{}, err
	}
	// Check this after the lock, because a concurrent call for the same refund may have held it.
	earlier, err := s.earlierRefund(ctx, tx, request)
	if err != nil {
		return refundOutcome{}, err
	}
	if earlier != nil {
		return refundOutcome{earlier, p, true}, nil
	}
	if missing {
		return refundOutcome{}, errNotFound
	}
	if p.refunded && request.generated && (!request.requestedAmount.Valid || request.requestedAmount == p.amount) {
		last, err := s.lastRefund(ctx, tx, p.id)
		return refundOutcome{last, p, false}, err
	}
	amount, err := p.refundable(request)
	if err != nil {
		return refundOutcome{}, err
	}
	return s.storeRefund(ctx, tx, p, request, amount)
}

// refundable returns the amount to refund, or an error that says why nothing can be refunded.
func (p *payment) refundable(request newRefund) (amountMinor, error) {
	remaining := p.amount.V - p.refundedAmount
	switch {
	case !p.succeeded.Valid:
		return 0, status.Error(codes.FailedPrecondition, "payment is pending; it can be refunded once it has succeeded")
	case !p.succeeded.Bool:
		return 0, status.Error(codes.FailedPrecondition, "payment failed; there is nothing to refund")
	case p.refunded || !p.amount.Valid || remaining <= 0:
		return 0, status.Error(codes.FailedPrecondition, "nothing is left to refund")
	case !request.requestedAmount.Valid:
		return remaining, nil
	case p.currency != currency:
		return 0, invalid("amount.currency_code", "must be the payment's currency, "+p.currency)
	case request.requestedAmount.V > remaining:
		return 0, status.Errorf(codes.FailedPrecondition, "only %s is left to refund", remaining)
	}
	return request.requestedAmount.V, nil
}

func (s *store) storeRefund(ctx context.Context, tx *sql.Tx, p payment, request newRefund, amount amountMinor) (refundOutcome, error) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	requestedAmount := sql.NullString{String: request.requestedAmount.V.String(), Valid: request.requestedAmount.Valid}
	inserted, err := tx.StmtContext(ctx, s.insertRefund).ExecContext(ctx,
		p.id, amount.String(), requestedAmount, true, request.reason, caller, request.requestID, now)
	if err != nil {
		return refundOutcome{}, err
	}
	id, err := inserted.LastInsertId()
	if err != nil {
		return refundOutcome{}, err
	}
	p.refundedAmount += amount
	p.refunded = p.refundedAmount == p.amount.V
	_, err = tx.StmtContext(ctx, s.updateRefunded).ExecContext(ctx, p.refundedAmount.String(), p.refunded, p.id)
	if err != nil {
		return refundOutcome{}, err
	}
	stored := &refund{
		id:         sql.NullInt64{Int64: id, Valid: true},
		paymentID:  sql.NullInt64{Int64: p.id, Valid: true},
		amount:     sql.Null[amountMinor]{V: amount, Valid: true},
		currency:   p.currency,
		succeeded:  sql.NullBool{Bool: true, Valid: true},
		reason:     sql.NullString{String: request.reason, Valid: true},
		createTime: sql.NullTime{Time: now, Valid: true},
	}
	return refundOutcome{stored, p, false}, nil
}

// earlierRefund returns the stored refund with the request_id of a request, if any.
func (s *store) earlierRefund(ctx context.Context, tx *sql.Tx, request newRefund) (*refund, error) {
	var earlier refund
	var requestedAmount sql.Null[amountMinor]
	err := tx.StmtContext(ctx, s.selectRefund).QueryRowContext(ctx, caller, request.requestID).
		Scan(append([]any{&requestedAmount}, earlier.fields()...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if earlier.paymentID.Int64 != request.paymentID || requestedAmount != request.requestedAmount ||
		earlier.reason.String != request.reason {
		return nil, errRequestIDReused
	}
	return &earlier, nil
}

// lastRefund returns the last refund of a payment, or nil if the legacy service stored it.
func (s *store) lastRefund(ctx context.Context, tx *sql.Tx, paymentID int64) (*refund, error) {
	var last refund
	err := tx.StmtContext(ctx, s.selectLastRefund).QueryRowContext(ctx, paymentID).Scan(last.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &last, err
}
