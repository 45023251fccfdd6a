package payments_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"payments.internal/payments"
	paymentsv1 "payments.internal/payments/v1"
)

// pages responds with three pages of two payments each. The token of a page is the last id of the previous one.
func pages(_ context.Context, _ int, request proto.Message) (proto.Message, error) {
	before, _ := strconv.ParseInt(request.(*paymentsv1.ListPaymentsRequest).GetPageToken(), 10, 64)
	response := &paymentsv1.ListPaymentsResponse{
		Payments: []*paymentsv1.Payment{{PaymentId: before + 1}, {PaymentId: before + 2}},
	}
	if before < 4 {
		response.NextPageToken = strconv.FormatInt(before+2, 10)
	}
	return response, nil
}

func TestAListFetchesAllPagesEachWhenItIsNeeded(t *testing.T) {
	service := serve(t, pages)
	params := payments.ListParams{OrderID: payments.Ptr(int64(342)), OrderBy: "create_time asc", PageSize: 2}
	list := connect(t, service.target).ListPayments(t.Context(), params)
	if fetched := len(service.calls()); fetched != 0 {
		t.Errorf("%d pages were fetched before the iteration", fetched)
	}
	for range 2 { // ranging over it again starts from the beginning
		before := len(service.calls())
		var ids []int64
		for payment, err := range list {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, payment.PaymentID)
			if fetched, needed := len(service.calls())-before, (len(ids)+1)/2; fetched != needed {
				t.Errorf("%d pages were fetched at payment %d", fetched, len(ids))
			}
		}
		if !slices.Equal(ids, []int64{1, 2, 3, 4, 5, 6}) {
			t.Errorf("the payments are %v", ids)
		}
	}
	for index, call := range service.calls() {
		expected := &paymentsv1.ListPaymentsRequest{
			Filter: &paymentsv1.PaymentFilter{OrderId: payments.Ptr(int64(342))}, OrderBy: "create_time asc", PageSize: 2,
			PageToken: []string{"", "2", "4"}[index%3],
		}
		assertSame(t, call.request, expected)
	}
}

func TestLeavingTheLoopStopsFetching(t *testing.T) {
	service := serve(t, pages)
	for payment, err := range connect(t, service.target).ListPayments(t.Context(), payments.ListParams{}) {
		if err != nil {
			t.Fatal(err)
		}
		if payment.PaymentID == 2 {
			break
		}
	}
	if fetched := len(service.calls()); fetched != 1 {
		t.Errorf("%d pages were fetched", fetched)
	}
}

func TestAnEmptyPageDoesNotEndAList(t *testing.T) {
	service := serve(t, func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
		if number == 1 {
			return &paymentsv1.ListPaymentsResponse{NextPageToken: "4"}, nil
		}
		return pages(ctx, number, request)
	})
	count := 0
	for _, err := range connect(t, service.target).ListPayments(t.Context(), payments.ListParams{}) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != 2 {
		t.Errorf("there were %d payments", count)
	}
}

func TestAnErrorEndsAList(t *testing.T) {
	service := serve(t, func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
		if number == 2 {
			return nil, status.Error(codes.InvalidArgument, "the page token is invalid")
		}
		return pages(ctx, number, request)
	})
	var ids []int64
	var errs []error
	for payment, err := range connect(t, service.target).ListPayments(t.Context(), payments.ListParams{}) {
		if err != nil {
			errs = append(errs, err)
			if payment != nil {
				t.Errorf("the error comes with a payment: %v", payment)
			}
			continue
		}
		ids = append(ids, payment.PaymentID)
	}
	var invalid *payments.InvalidRequestError
	if len(errs) != 1 || !errors.As(errs[0], &invalid) || !slices.Equal(ids, []int64{1, 2}) {
		t.Errorf("the payments are %v, and the errors %v", ids, errs)
	}
}

func TestAPageHasATokenForTheNextOneAndATotalSizeOnRequest(t *testing.T) {
	service := serve(t, func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
		response, err := pages(ctx, number, request)
		if request.(*paymentsv1.ListPaymentsRequest).GetIncludeTotalSize() {
			response.(*paymentsv1.ListPaymentsResponse).TotalSize = payments.Ptr(int64(0))
		}
		return response, err
	})
	client := connect(t, service.target)
	first, err := client.ListPaymentsPage(t.Context(), payments.ListParams{}, payments.PageParams{IncludeTotalSize: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Payments) != 2 || first.NextPageToken != "2" || first.TotalSize == nil || *first.TotalSize != 0 {
		t.Errorf("the first page is %+v", first)
	}
	last, err := client.ListPaymentsPage(t.Context(), payments.ListParams{}, payments.PageParams{Token: "4"})
	if err != nil {
		t.Fatal(err)
	}
	if last.Payments[0].PaymentID != 5 || last.NextPageToken != "" || last.TotalSize != nil {
		t.Errorf("the last page is %+v", last)
	}
}
