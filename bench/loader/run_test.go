package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	paymentsv1 "payments.internal/payments/v1"
)

func TestEachChargeHasItsOwnIDs(t *testing.T) {
	service := serve(t, &testService{})
	report := mustRun(t, service, optionsFor(service, "charge"))
	requestIDs, orderIDs := make(map[string]bool), make(map[int64]bool)
	for _, request := range service.charges {
		requestIDs[request.GetRequestId()] = true
		orderIDs[request.GetOrderId()] = true
		if len(request.GetRequestId()) != 36 || request.GetOrderId() < 1 || request.GetOrderId() > maxOrderID ||
			request.GetAmount().GetUnits() != 561 || request.GetAmount().GetNanos() != 0 ||
			request.GetMethod() != paymentsv1.PaymentMethod_PAYMENT_METHOD_UPI {
			t.Fatal(request)
		}
	}
	if len(requestIDs) != len(service.charges) {
		t.Errorf("%d charges have %d request_ids", len(service.charges), len(requestIDs))
	}
	if len(orderIDs) < 2 {
		t.Error("the orders do not vary")
	}
	// Calls that end after the measured period are not counted.
	if made := len(service.charges); report.Calls > made || report.Calls < made/2 {
		t.Errorf("%d of %d calls are reported", report.Calls, made)
	}
	if len(report.Errors) > 0 || report.Seconds != 0.2 || report.LoaderCPUUsPerCall <= 0 {
		t.Error(report)
	}
}

func TestChargesCanOmitTheRequestID(t *testing.T) {
	service := serve(t, &testService{})
	mustRun(t, service, optionsFor(service, "charge_without_request_id"))
	for _, request := range service.charges {
		if request.RequestId != nil || request.GetAmount().GetUnits() != 561 {
			t.Fatal(request)
		}
	}
}

func TestTheWarmUpIsNotMeasured(t *testing.T) {
	service := serve(t, &testService{delay: 10 * time.Millisecond})
	options := optionsFor(service, "charge")
	options.warmUp = 200 * time.Millisecond
	report := mustRun(t, service, options)
	if share := float64(report.Calls) / float64(len(service.charges)); share < 0.3 || share > 0.7 {
		t.Errorf("%d of %d calls are reported", report.Calls, len(service.charges))
	}
}

func TestARunOfRefundsRefundsEachPaymentOnceAndEnds(t *testing.T) {
	service := serve(t, &testService{})
	options := optionsFor(service, "refund")
	options.measured = time.Minute
	report := mustRun(t, service, options)
	paymentIDs, requestIDs := make(map[int64]bool), make(map[string]bool)
	for _, request := range service.refunds {
		paymentIDs[request.GetPaymentId()] = true
		requestIDs[request.GetRequestId()] = true
		if request.GetPaymentId() < 100 || request.GetPaymentId() > 400 || request.Amount != nil {
			t.Fatal(request)
		}
	}
	if len(service.refunds) != 301 || len(paymentIDs) != 301 || len(requestIDs) != 301 {
		t.Errorf("%d refunds, of %d payments, have %d request_ids", len(service.refunds), len(paymentIDs), len(requestIDs))
	}
	if report.Calls != 301 || report.Seconds > 30 {
		t.Error(report)
	}
}

func TestGetUsesPaymentsOfTheRange(t *testing.T) {
	service := serve(t, &testService{})
	mustRun(t, service, optionsFor(service, "get"))
	ids := make(map[int64]bool)
	for _, request := range service.gets {
		ids[request.GetPaymentId()] = true
		if request.GetPaymentId() < 100 || request.GetPaymentId() > 400 {
			t.Fatal(request)
		}
	}
	if len(ids) < 2 {
		t.Error("the payments do not vary")
	}
}

func TestRandomPagesStartAtTimesOfTheRange(t *testing.T) {
	service := serve(t, &testService{})
	mustRun(t, service, optionsFor(service, "list_random_page"))
	newest := make(map[int64]bool)
	for _, request := range service.lists {
		seconds := request.GetFilter().GetMaxCreateTime().GetSeconds()
		newest[seconds] = true
		if seconds < 1_735_689_600 || seconds > 1_735_776_000 || request.GetPageSize() != 50 || request.GetPageToken() != "" {
			t.Fatal(request)
		}
	}
	if len(newest) < 2 {
		t.Error("the times do not vary")
	}
}

func TestResponsesCanExceedTheFlowControlWindow(t *testing.T) {
	response := &paymentsv1.ListPaymentsResponse{NextPageToken: strings.Repeat("x", 300_000)}
	service := serve(t, &testService{response: response})
	report := mustRun(t, service, optionsFor(service, "list"))
	if report.Calls < 10 || len(report.Errors) > 0 {
		t.Error(report)
	}
	if service.lists[0].GetPageSize() != 50 || service.lists[0].Filter != nil {
		t.Error(service.lists[0])
	}
}

func TestRequestsCanExceedTheFlowControlWindow(t *testing.T) {
	rpcs["long"] = rpc{
		path: paymentsv1.PaymentService_Refund_FullMethodName,
		message: func(options) proto.Message {
			return &paymentsv1.RefundRequest{
				PaymentId: paymentIDPlaceholder, Reason: strings.Repeat("x", 300_000), RequestId: proto.String(requestIDPlaceholder),
			}
		},
	}
	defer delete(rpcs, "long")
	service := serve(t, &testService{})
	report := mustRun(t, service, optionsFor(service, "long"))
	if report.Calls == 0 || len(report.Errors) > 0 {
		t.Error(report)
	}
	if len(service.refunds[0].GetReason()) != 300_000 {
		t.Error("a message was truncated")
	}
}

func TestHeadersFitTheServersHeaderTable(t *testing.T) {
	for _, bytes := range []uint32{0, 100, 65_536} {
		service := serve(t, &testService{}, grpc.HeaderTableSize(bytes))
		report := mustRun(t, service, optionsFor(service, "charge"))
		if report.Calls < 10 || len(report.Errors) > 0 {
			t.Error(bytes, report)
		}
	}
}

func TestErrorsAreCountedByStatus(t *testing.T) {
	service := serve(t, &testService{err: status.Error(codes.ResourceExhausted, "too much")})
	report := mustRun(t, service, optionsFor(service, "charge"))
	if report.Calls != 0 || report.Errors["RESOURCE_EXHAUSTED"] < 10 || len(report.Errors) != 1 {
		t.Error(report)
	}
}

func TestCallsTimeOut(t *testing.T) {
	service := serve(t, &testService{delay: time.Minute})
	options := optionsFor(service, "charge")
	options.timeout = 60 * time.Millisecond
	report := mustRun(t, service, options)
	if report.Calls != 0 || report.Errors["transport: timeout"] < 8 || len(report.Errors) != 1 {
		t.Error(report)
	}
}

func TestALostConnectionEndsItsCalls(t *testing.T) {
	service := serve(t, &testService{delay: time.Minute})
	time.AfterFunc(50*time.Millisecond, service.server.Stop)
	options := optionsFor(service, "charge")
	options.measured = 30 * time.Second
	report := mustRun(t, service, options)
	lost := report.Errors["transport: connection lost"] + report.Errors["UNAVAILABLE"] + report.Errors["CANCELLED"]
	if report.Calls != 0 || lost < 8 || report.Seconds > 10 {
		t.Error(report)
	}
}

func TestCallsAreDueAtARate(t *testing.T) {
	service := serve(t, &testService{})
	options := optionsFor(service, "charge")
	options.callsPerSecond = 500
	options.measured = time.Second
	report := mustRun(t, service, options)
	// The timer starts shortly before the measured period.
	if report.Calls < 498 || report.Calls > 501 || report.CallsPerSecond < 300 || report.CallsPerSecond > 501 {
		t.Error(report)
	}
}

func TestLatencyCountsFromTheDueTime(t *testing.T) {
	// Calls of 20 ms run one at a time, and one is due every 10 ms, so the last of 20 waits for about 200 ms.
	service := serve(t, &testService{delay: 20 * time.Millisecond})
	options := optionsFor(service, "charge")
	options.connections, options.inFlight = 1, 1
	options.callsPerSecond = 100
	report := mustRun(t, service, options)
	if report.Calls < 19 || report.LatencyMs.Max < 150 || report.LatencyMs.P50 < 60 || report.Seconds < 0.35 {
		t.Error(report)
	}
}

func TestQuantilesAreObservedValues(t *testing.T) {
	var latencies []time.Duration
	for ms := 1000; ms >= 1; ms-- {
		latencies = append(latencies, time.Duration(ms)*time.Millisecond)
	}
	want := latency{P50: 500, P90: 900, P99: 990, P999: 999, Max: 1000, Mean: 500.5}
	if got := newLatency(latencies); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestInvalidOptionsAreRejected(t *testing.T) {
	service := serve(t, &testService{}, grpc.MaxConcurrentStreams(3))
	for name, change := range map[string]func(*options){
		"an unknown rpc":                func(o *options) { o.rpc = "chart" },
		"no payments":                   func(o *options) { o.rpc, o.payments = "get", numberRange{} },
		"no times":                      func(o *options) { o.rpc, o.createTimes = "list_random_page", numberRange{} },
		"too many calls per connection": func(o *options) { o.connections = 1 },
		"fewer calls than connections":  func(o *options) { o.inFlight = 1 },
		"no server":                     func(o *options) { o.target = "127.0.0.1:1" },
	} {
		options := optionsFor(service, "charge")
		change(&options)
		if _, err := run(options); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
