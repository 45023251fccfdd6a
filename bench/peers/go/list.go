package main

import (
	"context"
	"slices"
	"strings"
	"time"

	paymentsv1 "payments.internal/payments/v1"
)

// A page is a page of payments. next is the start of the next page, if there is one. total is set on request.
type page struct {
	payments []payment
	next     *position
	total    *int64
}

func (s *store) list(ctx context.Context, query pageQuery, after *position) (page, error) {
	var found page
	wanted := query.size + 1 // one more than the page holds, to detect a next page
	for _, part := range listParts(query, after) {
		if len(found.payments) == wanted {
			break
		}
		part.values = append(part.values, wanted-len(found.payments))
		if err := s.scanPayments(ctx, part, &found.payments); err != nil {
			return page{}, err
		}
	}
	if len(found.payments) == wanted {
		found.payments = found.payments[:query.size]
		next := positionOf(found.payments[query.size-1])
		found.next = &next
	}
	if query.withTotal {
		total, err := s.count(ctx, query.filter)
		if err != nil {
			return page{}, err
		}
		found.total = &total
	}
	return found, nil
}

func (s *store) scanPayments(ctx context.Context, part selection, payments *[]payment) error {
	rows, err := s.listStatements.query(ctx, part.text, part.values...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var p payment
	fields := p.fields()
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			return err
		}
		*payments = append(*payments, p)
	}
	return rows.Err()
}

func (s *store) count(ctx context.Context, filter *paymentsv1.PaymentFilter) (int64, error) {
	countQuery := matching(filter).selection("COUNT(*)", filter, "")
	rows, err := s.listStatements.query(ctx, countQuery.text, countQuery.values...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var total int64
	for rows.Next() {
		if err := rows.Scan(&total); err != nil {
			return 0, err
		}
	}
	return total, rows.Err()
}

// A selection is an SQL statement and its parameters.
type selection struct {
	text   string
	values []any
}

// listParts returns the selections that produce the rest of a list in order. Each needs a LIMIT as its last parameter.
// Payments without a time, which count as the oldest, are a separate part, so that each part is read in the order of an
// index, starting at the position.
func listParts(query pageQuery, after *position) []selection {
	comparison, direction := "<", "DESC"
	if query.oldestFirst {
		comparison, direction = ">", "ASC"
	}
	dated := matching(query.filter)
	dated.add("p.created_at IS NOT NULL")
	if after != nil && after.hasTime {
		// The first condition makes the index seek to the position.
		dated.add("p.created_at "+comparison+"= ? AND (p.created_at "+comparison+" ? OR p.payment_id "+comparison+" ?)",
			after.createTime(), after.createTime(), after.paymentID)
	}
	datedPart := dated.selection(paymentColumns, query.filter,
		"ORDER BY p.created_at "+direction+", p.payment_id "+direction+" LIMIT ?")
	if query.filter.GetMinCreateTime() != nil || query.filter.GetMaxCreateTime() != nil {
		return []selection{datedPart}
	}
	undated := matching(query.filter)
	undated.add("p.created_at IS NULL")
	if after != nil && !after.hasTime {
		undated.add("p.payment_id "+comparison+" ?", after.paymentID)
	}
	undatedPart := undated.selection(paymentColumns, query.filter, "ORDER BY p.payment_id "+direction+" LIMIT ?")
	first, second := datedPart, undatedPart
	if query.oldestFirst {
		first, second = undatedPart, datedPart
	}
	if after != nil && after.hasTime == query.oldestFirst {
		return []selection{second}
	}
	return []selection{first, second}
}

// conditions are SQL conditions that must all hold.
type conditions struct {
	texts  []string
	values []any
}

func (c *conditions) add(text string, values ...any) {
	c.texts = append(c.texts, text)
	c.values = append(c.values, values...)
}

// matching returns the conditions of a valid filter.
func matching(filter *paymentsv1.PaymentFilter) *conditions {
	c := &conditions{}
	if filter == nil {
		return c
	}
	if filter.OrderId != nil {
		c.add("p.order_id = ?", filter.GetOrderId())
	}
	c.addMethods(filter.GetMethods())
	addAny(c, filter.GetStatuses(), map[paymentsv1.PaymentStatus]string{
		paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING:   "p.status IS NULL",
		paymentsv1.PaymentStatus_PAYMENT_STATUS_SUCCEEDED: "p.status = 1",
		paymentsv1.PaymentStatus_PAYMENT_STATUS_FAILED:    "p.status = 0",
	})
	addAny(c, filter.GetRefundStates(), map[paymentsv1.RefundState]string{
		paymentsv1.RefundState_REFUND_STATE_NONE:    "p.refunded = 0 AND p.refunded_amount = 0",
		paymentsv1.RefundState_REFUND_STATE_PARTIAL: "p.refunded = 0 AND p.refunded_amount > 0",
		paymentsv1.RefundState_REFUND_STATE_FULL:    "p.refunded <> 0",
	})
	if filter.Reference != nil {
		c.add("p.reference = ? AND LENGTH(p.reference) = ?", filter.GetReference(), len(filter.GetReference()))
	}
	if bound := filter.GetMinAmount(); bound != nil {
		amount, _ := readMoney("", bound)
		c.add("p.currency = ? AND p.amount >= ?", currency, amount.String())
	}
	if bound := filter.GetMaxAmount(); bound != nil {
		amount, _ := readMoney("", bound)
		c.add("p.currency = ? AND p.amount <= ?", currency, amount.String())
	}
	if bound := filter.GetMinCreateTime(); bound != nil {
		c.add("p.created_at >= ?", firstMicrosecond(bound.AsTime()))
	}
	if bound := filter.GetMaxCreateTime(); bound != nil {
		c.add("p.created_at <= ?", bound.AsTime().Truncate(time.Microsecond))
	}
	return c
}

func (c *conditions) addMethods(methods []paymentsv1.PaymentMethod) {
	var texts []string
	var values []any
	for _, method := range distinct(methods) {
		if method == paymentsv1.PaymentMethod_PAYMENT_METHOD_OTHER {
			texts = append(texts, "p.method NOT IN ('UPI', 'CARD', 'COD')")
		} else {
			texts = append(texts, "p.method = ?")
			values = append(values, methodNames[method])
		}
	}
	if len(texts) > 0 {
		c.add("("+strings.Join(texts, " OR ")+")", values...)
	}
}

// addAny adds the condition that at least one of the choices holds, if there are any.
func addAny[Choice ~int32](c *conditions, choices []Choice, texts map[Choice]string) {
	var alternatives []string
	for _, choice := range distinct(choices) {
		alternatives = append(alternatives, "("+texts[choice]+")")
	}
	if len(alternatives) > 0 {
		c.add("(" + strings.Join(alternatives, " OR ") + ")")
	}
}

func distinct[Choice ~int32](choices []Choice) []Choice {
	return slices.Compact(slices.Sorted(slices.Values(choices)))
}

// selection returns a SELECT with the conditions. It forces the index that provides the order, so that the plan does not
// depend on the optimizer's estimates.
func (c *conditions) selection(columns string, filter *paymentsv1.PaymentFilter, tail string) selection {
	text := "SELECT " + columns + " FROM payments p " + indexHint(filter)
	if len(c.texts) > 0 {
		text += " WHERE " + strings.Join(c.texts, " AND ")
	}
	return selection{text + " " + tail, c.values}
}

func indexHint(filter *paymentsv1.PaymentFilter) string {
	switch methods := distinct(filter.GetMethods()); {
	case filter != nil && filter.Reference != nil:
		return "" // its unique key finds one row
	case filter != nil && filter.OrderId != nil:
		return "FORCE INDEX (payments_by_order)"
	case len(methods) == 1 && methods[0] != paymentsv1.PaymentMethod_PAYMENT_METHOD_OTHER:
		return "FORCE INDEX (payments_by_method)"
	case len(distinct(filter.GetStatuses())) == 1:
		return "FORCE INDEX (payments_by_status)"
	}
	return "FORCE INDEX (payments_by_time)"
}

// firstMicrosecond rounds a bound up to whole microseconds, the resolution of stored times.
func firstMicrosecond(bound time.Time) time.Time {
	return bound.Add(time.Microsecond - time.Nanosecond).Truncate(time.Microsecond)
}
