package paymentstest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	paymentsv1 "payments.internal/payments/v1"
)

const (
	newestFirst = "create_time desc"
	oldestFirst = "create_time asc"
)

// ListPayments returns a page of the payments that match a filter.
func (s *server) ListPayments(
	_ context.Context, request *paymentsv1.ListPaymentsRequest,
) (*paymentsv1.ListPaymentsResponse, error) {
	var reader reader
	filter := s.readFilter(&reader, cmp.Or(request.GetFilter(), &paymentsv1.PaymentFilter{}))
	order := reader.order(request.GetOrderBy())
	size := reader.pageSize(request.GetPageSize())
	if err := reader.err(); err != nil {
		return nil, err
	}
	boundTo := &paymentsv1.ListPaymentsRequest{Filter: request.GetFilter(), OrderBy: order}
	var after *paymentsv1.Payment
	if token := request.GetPageToken(); token != "" {
		position, isValid := paymentsToken.decode(token, boundTo)
		if after = s.ledger.payment(position); !isValid || after == nil {
			reader.reject("page_token", "must be an unaltered next_page_token for the same filter and order_by")
		}
	}
	if err := reader.err(); err != nil {
		return nil, err
	}
	if filter.needsAuditRole() {
		return nil, auditRoleMissing()
	}
	matching := slices.DeleteFunc(slices.Clone(s.ledger.payments), func(payment *paymentsv1.Payment) bool {
		return !filter.matches(payment)
	})
	compare := compareByTime
	if order == newestFirst {
		compare = func(a, b *paymentsv1.Payment) int { return compareByTime(b, a) }
	}
	slices.SortFunc(matching, compare)
	response := &paymentsv1.ListPaymentsResponse{Payments: matching}
	if request.GetIncludeTotalSize() {
		total := int64(len(matching))
		response.TotalSize = &total
	}
	if after != nil {
		response.Payments = slices.DeleteFunc(matching, func(payment *paymentsv1.Payment) bool {
			return compare(payment, after) <= 0
		})
	}
	if len(response.GetPayments()) > size {
		response.Payments = response.GetPayments()[:size]
		response.NextPageToken = paymentsToken.encode(response.GetPayments()[size-1].GetPaymentId(), boundTo)
	}
	return response, nil
}

func compareByTime(a, b *paymentsv1.Payment) int {
	return cmp.Or(
		a.GetCreateTime().AsTime().Compare(b.GetCreateTime().AsTime()), cmp.Compare(a.GetPaymentId(), b.GetPaymentId()),
	)
}

// order reads the order of a list. Extra spaces are ignored.
func (r *reader) order(text string) string {
	switch order := strings.Join(strings.Fields(text), " "); order {
	case "", newestFirst:
		return newestFirst
	case "create_time", oldestFirst:
		return oldestFirst
	}
	r.reject("order_by", `must be "create_time desc" or "create_time asc"`)
	return ""
}
