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
	insertPaymentText = `
		INSERT INTO payments (order_id, amount, currency, method, status, reference, created_at, requested_method, caller,
			request_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectChargeText = "SELECT p.requested_method, " + paymentColumns +
		" FROM payments p WHERE p.caller = ? AND p.request_id = ?"
)

var errReferenceTaken = errors.New("another payment has the reference")

// charge stores a payment, or returns the earlier one with the same request_id.
func (s *store) charge(ctx context.Context, charge newCharge, method string, succeeded bool) (p payment, replayed bool, err error) {
	for range attempts {
		p, replayed, err = s.insertOnce(ctx, charge, method, succeeded)
		if !errors.Is(err, errReferenceTaken) {
			break
		}
	}
	return p, replayed, err
}

func (s *store) insertOnce(ctx context.Context, charge newCharge, method string, succeeded bool) (payment, bool, error) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	stored := payment{
		orderID:    charge.orderID,
		amount:     sql.Null[amountMinor]{V: charge.amount, Valid: true},
		currency:   currency,
		method:     method,
		succeeded:  sql.NullBool{Bool: succeeded, Valid: true},
		reference:  sql.NullString{String: newReference(now), Valid: true},
		createTime: sql.NullTime{Time: now, Valid: true},
	}
	var inserted sql.Result
	err := withRetry(func() (err error) {
		inserted, err = s.insertPayment.ExecContext(ctx,
			stored.orderID, charge.amount.String(), currency, method, succeeded, stored.reference.String, now,
			charge.requestedMethod, caller, charge.requestID)
		return err
	})
	if isDuplicate(err) {
		earlier, err := s.earlierCharge(ctx, charge)
		return earlier, true, err
	}
	if err != nil {
		return payment{}, false, err
	}
	stored.id, err = inserted.LastInsertId()
	return stored, false, err
}

// earlierCharge returns the stored payment with the request_id of a charge.
func (s *store) earlierCharge(ctx context.Context, charge newCharge) (payment, error) {
	var earlier payment
	var requestedMethod sql.NullString
	err := s.selectCharge.QueryRowContext(ctx, caller, charge.requestID).
		Scan(append([]any{&requestedMethod}, earlier.fields()...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return earlier, errReferenceTaken
	}
	if err != nil {
		return earlier, err
	}
	if earlier.orderID != charge.orderID || earlier.amount.V != charge.amount || earlier.currency != currency ||
		requestedMethod != charge.requestedMethod {
		return earlier, errRequestIDReused
	}
	return earlier, nil
}

var errRequestIDReused = status.Error(codes.AlreadyExists, "request_id was used before with other parameters")
