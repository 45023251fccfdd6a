package payments_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"payments.internal/payments"
	paymentsv1 "payments.internal/payments/v1"
)

// eventPages responds with three pages of two events each, whose request_ids are numbers. The token of a page is the
// last number of the previous one.
func eventPages(_ context.Context, _ int, request proto.Message) (proto.Message, error) {
	before, _ := strconv.Atoi(request.(*paymentsv1.ListPaymentEventsRequest).GetPageToken())
	response := &paymentsv1.ListPaymentEventsResponse{
		Events: []*paymentsv1.PaymentEvent{{RequestId: strconv.Itoa(before + 1)}, {RequestId: strconv.Itoa(before + 2)}},
	}
	if before < 4 {
		response.NextPageToken = strconv.Itoa(before + 2)
	}
	return response, nil
}

// eventRequestIDs lists the events and returns their request_ids, and the error that ended the list.
func eventRequestIDs(t *testing.T, service *service, params payments.ListPaymentEventsParams) ([]string, error) {
	t.Helper()
	var ids []string
	for event, err := range connect(t, service.target).ListPaymentEvents(t.Context(), params) {
		if err != nil {
			if event != nil {
				t.Errorf("the error comes with an event: %v", event)
			}
			return ids, err
		}
		ids = append(ids, event.RequestID)
	}
	return ids, nil
}

func TestListPaymentEventsFetchesAllPagesEachWhenItIsNeeded(t *testing.T) {
	service := serve(t, eventPages)
	params := payments.ListPaymentEventsParams{PaymentID: math.MaxInt64, PageSize: 2}
	list := connect(t, service.target).ListPaymentEvents(t.Context(), params)
	if fetched := len(service.calls()); fetched != 0 {
		t.Errorf("%d pages were fetched before the iteration", fetched)
	}
	for range 2 { // ranging over it again starts from the beginning
		before := len(service.calls())
		var ids []string
		for event, err := range list {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, event.RequestID)
			if fetched, needed := len(service.calls())-before, (len(ids)+1)/2; fetched != needed {
				t.Errorf("%d pages were fetched at event %d", fetched, len(ids))
			}
		}
		if !slices.Equal(ids, []string{"1", "2", "3", "4", "5", "6"}) {
			t.Errorf("the events are %v", ids)
		}
	}
	for index, call := range service.calls() {
		assertSame(t, call.request, &paymentsv1.ListPaymentEventsRequest{
			PaymentId: math.MaxInt64, PageSize: 2, PageToken: []string{"", "2", "4"}[index%3],
		})
	}
}

func TestEventsCanBeListedFromAPageToken(t *testing.T) {
	ids, err := eventRequestIDs(t, serve(t, eventPages), payments.ListPaymentEventsParams{PaymentID: 7, PageToken: "2"})
	if err != nil || !slices.Equal(ids, []string{"3", "4", "5", "6"}) {
		t.Errorf("the events are %v, and the error %v", ids, err)
	}
}

func TestLeavingALoopOverEventsStopsFetching(t *testing.T) {
	service := serve(t, eventPages)
	params := payments.ListPaymentEventsParams{PaymentID: 7}
	for event, err := range connect(t, service.target).ListPaymentEvents(t.Context(), params) {
		if err != nil {
			t.Fatal(err)
		}
		if event.RequestID == "2" {
			break
		}
	}
	if fetched := len(service.calls()); fetched != 1 {
		t.Errorf("%d pages were fetched", fetched)
	}
}

func TestAnEmptyPageDoesNotEndAListOfEvents(t *testing.T) {
	service := serve(t, func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
		if number == 1 {
			return &paymentsv1.ListPaymentEventsResponse{NextPageToken: "4"}, nil
		}
		return eventPages(ctx, number, request)
	})
	ids, err := eventRequestIDs(t, service, payments.ListPaymentEventsParams{PaymentID: 7})
	if err != nil || !slices.Equal(ids, []string{"5", "6"}) {
		t.Errorf("the events are %v, and the error %v", ids, err)
	}
}

func TestAnErrorEndsAListOfEvents(t *testing.T) {
	service := serve(t, func(ctx context.Context, number int, request proto.Message) (proto.Message, error) {
		if number == 2 {
			return nil, statusError(codes.NotFound, "there is no payment 7",
				&errdetails.ErrorInfo{Domain: "payments", Reason: "PAYMENT_NOT_FOUND"})
		}
		return eventPages(ctx, number, request)
	})
	ids, err := eventRequestIDs(t, service, payments.ListPaymentEventsParams{PaymentID: 7})
	var notFound *payments.PaymentNotFoundError
	if !errors.As(err, &notFound) || !slices.Equal(ids, []string{"1", "2"}) {
		t.Errorf("the events are %v, and the error %v", ids, err)
	}
}

func TestAPageOfEventsHasATokenForTheNextOne(t *testing.T) {
	client := connect(t, serve(t, eventPages).target)
	first, err := client.ListPaymentEventsPage(t.Context(), payments.ListPaymentEventsParams{PaymentID: 7, PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Events) != 2 || first.Events[0].RequestID != "1" || first.NextPageToken != "2" {
		t.Errorf("the first page is %+v", first)
	}
	last, err := client.ListPaymentEventsPage(t.Context(), payments.ListPaymentEventsParams{PaymentID: 7, PageToken: "4"})
	if err != nil {
		t.Fatal(err)
	}
	if len(last.Events) != 2 || last.Events[0].RequestID != "5" || last.NextPageToken != "" {
		t.Errorf("the last page is %+v", last)
	}
}

func TestAPageOfEventsIsConvertedToGoTypes(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 15, 55, 362_775_000, time.UTC)
	service := serve(t, respond(&paymentsv1.ListPaymentEventsResponse{Events: []*paymentsv1.PaymentEvent{
		{
			Type:    paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_CHARGED,
			Payment: &paymentsv1.Payment{PaymentId: 7},
		},
		{
			Type:      paymentsv1.PaymentEventType_PAYMENT_EVENT_TYPE_REFUNDED,
			EventTime: timestamppb.New(at),
			Payment:   &paymentsv1.Payment{PaymentId: 7, RefundState: paymentsv1.RefundState_REFUND_STATE_PARTIAL},
			Refund:    &paymentsv1.Refund{RefundId: 19, PaymentId: 7, Amount: &money.Money{CurrencyCode: "INR", Units: 61}},
			Caller:    "shop",
			RequestId: "refund-1",
		},
	}}))
	client := connect(t, service.target)
	page, err := client.ListPaymentEventsPage(t.Context(), payments.ListPaymentEventsParams{PaymentID: 7})
	if err != nil {
		t.Fatal(err)
	}
	assertEqual(t, "the page", page, &payments.PaymentEventPage{Events: []*payments.PaymentEvent{
		{
			Type: payments.EventCharged,
			Payment: &payments.Payment{
				PaymentID: 7, Method: payments.MethodUnknown, Status: payments.StatusUnknown,
				RefundState: payments.RefundStateUnknown,
			},
		},
		{
			Type: payments.EventRefunded, EventTime: at,
			Payment: &payments.Payment{
				PaymentID: 7, Method: payments.MethodUnknown, Status: payments.StatusUnknown,
				RefundState: payments.RefundStatePartial,
			},
			Refund: &payments.Refund{
				RefundID: 19, PaymentID: 7, Amount: amount("61.00"), Currency: "INR", Status: payments.RefundStatusUnknown,
			},
			Caller: "shop", RequestID: "refund-1",
		},
	}})
}
