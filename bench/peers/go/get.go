package main

import (
	"context"
	"database/sql"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	selectByIDText        = selectDetails + " WHERE p.payment_id = ? ORDER BY r.refund_id"
	selectByReferenceText = selectDetails + " WHERE p.reference = ? AND LENGTH(p.reference) = ? ORDER BY r.refund_id"

	selectDetails = "SELECT " + paymentColumns + ", " + refundColumns +
		" FROM payments p LEFT JOIN refunds r ON r.payment_id = p.payment_id"
)

var errNotFound = status.Error(codes.NotFound, "payment not found")

func (s *store) getByID(ctx context.Context, id int64) (payment, []refund, error) {
	return scanDetails(s.selectByID.QueryContext(ctx, id))
}

func (s *store) getByReference(ctx context.Context, reference string) (payment, []refund, error) {
	return scanDetails(s.selectByReference.QueryContext(ctx, reference, len(reference)))
}

// scanDetails reads a payment and its refunds from one row per refund, or one row if there are no refunds.
func scanDetails(rows *sql.Rows, err error) (payment, []refund, error) {
	if err != nil {
		return payment{}, nil, err
	}
	defer rows.Close()
	var p payment
	var refunds []refund
	for rows.Next() {
		var r refund
		if err := rows.Scan(append(p.fields(), r.fields()...)...); err != nil {
			return p, nil, err
		}
		if r.id.Valid {
			refunds = append(refunds, r)
		}
	}
	if err := rows.Err(); err != nil {
		return p, nil, err
	}
	if p.id == 0 {
		return p, nil, errNotFound
	}
	return p, refunds, nil
}
