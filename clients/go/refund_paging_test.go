package payments_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"payments.internal/payments"
	paymentsv1 "payments.internal/payments/v1"
)

// refundPages responds with three pages of two refunds each. The token of a page is the last id of the previous one.
func refundPages(_ context.Context, _ int, request proto.Message) (proto.Message, error) {
	before, _ := strconv.ParseInt(request.(*paymentsv1.ListRefundsRequest).GetPageToken(), 10, 64)
	response := &paymentsv1.ListRefundsResponse{
		Refunds: []*paymentsv1.Refund{{RefundId: before + 1}, {RefundId: before + 2}},
	}
	if before < 4 {
		response.NextPageToken = strconv.FormatInt(before+2, 10)
	}
	return response, nil
}

// refundIDs lists the refunds and returns their ids, and the error that ended the list.
func refundIDs(t *testing.T, service *service, params payments.ListRefundsParams) ([]int64, error) {
	t.Helper()
	var ids []int64
	for refund, err := range connect(t, service.target).ListRefunds(t.Context(), params) {
		if err != nil {
			if refund != nil {
				t.Errorf("the error comes with a refund: %v", refund)
			}
			return ids, err
		}
		ids = append(ids, refund.RefundID)
	}
	return ids, nil
}

func TestListRefundsFetchesAllPagesEachWhenItIsNeeded(t *testing.T) {
	service := serve(t, refundPages)
	params := payments.ListRefundsParams{PaymentID: math.MaxInt64, PageSize: 2}
	list := connect(t, service.target).ListRefunds(t.Context(), params)
	if fetched := len(service.calls()); fetched != 0 {
		t.Errorf("%d pages were fetched before the iteration", fetched)
	}
	for range 2 { // ranging over it again starts from the beginning
		before := len(service.calls())
		var ids []int64
		for refund, err := range list {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, refund.RefundID)
			if fetched, needed := len(service.calls())-before, (len(ids)+1)/2; fetched != needed {
				t.Errorf("%d pages were fetched at refund %d", fetched, len(ids))
			}
		}
		if !slices.Equal(ids, []int64{1, 2, 3, 4, 5, 6}) {
			t.Errorf("the refunds are %v", ids)
		}
	}
	for index, call := range service.calls() {
		assertSame(t, call.request, &paymentsv1.ListRefundsRequest{
			PaymentId: math.MaxInt64, PageSize: 2, PageToken: []string{"", "2", "4"}[index%3],
		})
	}
}

func TestRefundsCanBeListedFromAPageToken(t *testing.T) {
	ids, err := refundIDs(t, serve(t, refundPages), payments.ListRefundsParams{PaymentID: 7, PageToken: "2"})
	if err != nil || !slices.Equal(ids, []int64{3, 4, 5, 6}) {
		t.Errorf("the refunds are %v, and the error %v", ids, err)
	}
}

func TestLeavingALoopOverRefundsStopsFetching(t *testing.T) {
	service := serve(t, refundPages)
	for refund, err := range connect(t, service.target).ListRefunds(t.Context(), payments.ListRefundsParams{}) {
		if err != nil {
			t.Fatal(err)
		}
		if refund.RefundID == 2 {
			break
		}
	}
	if fetched := len(service.calls()); fetched != 1 {
		t.Errorf("%d pages were fetched", fetched)
	}
}

func TestAnEmptyPageDoesNotEndAListOfRefunds(t *testing.T) {
	service := serve(t, func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
		if number == 1 {
			return &paymentsv1.ListRefundsResponse{NextPageToken: "4"}, nil
		}
		return refundPages(ctx, number, request)
	})
	ids, err := refundIDs(t, service, payments.ListRefundsParams{PaymentID: 7})
	if err != nil || !slices.Equal(ids, []int64{5, 6}) {
		t.Errorf("the refunds are %v, and the error %v", ids, err)
	}
}

func TestAnErrorEndsAListOfRefunds(t *testing.T) {
	service := serve(t, func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
		if number == 2 {
			return nil, statusError(codes.NotFound, "there is no payment 7",
				&errdetails.ErrorInfo{Domain: "payments", Reason: "PAYMENT_NOT_FOUND"})
		}
		return refundPages(ctx, number, request)
	})
	ids, err := refundIDs(t, service, payments.ListRefundsParams{PaymentID: 7})
	var notFound *payments.PaymentNotFoundError
	if !errors.As(err, &notFound) || !slices.Equal(ids, []int64{1, 2}) {
		t.Errorf("the refunds are %v, and the error %v", ids, err)
	}
}

func TestAPageOfRefundsHasATokenForTheNextOne(t *testing.T) {
	client := connect(t, serve(t, refundPages).target)
	first, err := client.ListRefundsPage(t.Context(), payments.ListRefundsParams{PaymentID: 7, PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Refunds) != 2 || first.Refunds[0].RefundID != 1 || first.NextPageToken != "2" {
		t.Errorf("the first page is %+v", first)
	}
	last, err := client.ListRefundsPage(t.Context(), payments.ListRefundsParams{PaymentID: 7, PageToken: "4"})
	if err != nil {
		t.Fatal(err)
	}
	if len(last.Refunds) != 2 || last.Refunds[0].RefundID != 5 || last.NextPageToken != "" {
		t.Errorf("the last page is %+v", last)
	}
}
