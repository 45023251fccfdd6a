package paymentstest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"payments.internal/payments"
	"payments.internal/payments/paymentstest"
)

func TestAListReturnsThePaymentsThatMatchAllConditions(t *testing.T) {
	clock := newTestClock()
	client := paymentstest.NewClient(t, paymentstest.WithClock(clock.read))
	first := charge(t, client, payments.ChargeParams{
		OrderID: 7, Amount: amount("10.00"), Method: payments.MethodUPI, RequestID: payments.Ptr("a"),
		ExternalReference: "ORD-7", CustomerID: "c",
	})
	clock.advance(time.Hour)
	charge(t, client, payments.ChargeParams{OrderID: 7, Amount: amount("20.00"), Method: payments.MethodCOD})
	charge(t, client, payments.ChargeParams{
		OrderID: 8, Amount: amount("10.00"), Currency: "USD", PaymentSource: "sim_fraud",
	})
	refund(t, client, payments.RefundParams{PaymentID: 2, Amount: optionalAmount("1.00")})
	text := payments.Ptr[string]
	for name, test := range map[string]struct {
		params   payments.ListParams
		expected []int64
	}{
		"everything":         {payments.ListParams{}, []int64{3, 2, 1}},
		"oldest first":       {payments.ListParams{OrderBy: " create_time  asc "}, []int64{1, 2, 3}},
		"order":              {payments.ListParams{OrderID: payments.Ptr(int64(7))}, []int64{2, 1}},
		"methods":            {payments.ListParams{Methods: []payments.PaymentMethod{"UPI", "CARD"}}, []int64{3, 1}},
		"statuses":           {payments.ListParams{Statuses: []payments.PaymentStatus{"FAILED"}}, []int64{3}},
		"refund states":      {payments.ListParams{RefundStates: []payments.RefundState{"PARTIAL"}}, []int64{2}},
		"reference":          {payments.ListParams{Reference: &first.Reference}, []int64{1}},
		"min amount":         {payments.ListParams{MinAmount: optionalAmount("10.01")}, []int64{2}},
		"max amount":         {payments.ListParams{MaxAmount: optionalAmount("10.00")}, []int64{1}},
		"currency":           {payments.ListParams{MinAmount: optionalAmount("0"), Currency: "USD"}, []int64{3}},
		"min time":           {payments.ListParams{MinCreateTime: first.CreateTime}, []int64{3, 2, 1}},
		"later min time":     {payments.ListParams{MinCreateTime: first.CreateTime.Add(1)}, []int64{3, 2}},
		"max time":           {payments.ListParams{MaxCreateTime: first.CreateTime}, []int64{1}},
		"request_id":         {payments.ListParams{RequestID: text("a")}, []int64{1}},
		"its own caller":     {payments.ListParams{RequestID: text("a"), Caller: text("anonymous")}, []int64{1}},
		"caller":             {payments.ListParams{Caller: text("shop")}, nil},
		"processor":          {payments.ListParams{ProcessorReference: text("pi_1")}, nil},
		"external reference": {payments.ListParams{ExternalReference: text("ORD-7")}, []int64{1}},
		"customer":           {payments.ListParams{CustomerID: text("c")}, []int64{1}},
		"two conditions":     {payments.ListParams{CustomerID: text("c"), OrderID: payments.Ptr(int64(8))}, nil},
	} {
		assertList(t, name, list(t, client, test.params), test.expected...)
		test.params.PageSize = 1
		assertList(t, name+", in pages of one", list(t, client, test.params), test.expected...)
	}
}

func TestPagesReturnEachPaymentThatExistedOnceWhileChargesAreMade(t *testing.T) {
	client := paymentstest.NewClient(t, paymentstest.WithClock(newTestClock().read)) // all with the same time
	for range 3 {
		charge(t, client, payments.ChargeParams{})
	}
	params := payments.ListParams{PageSize: 2}
	page, err := client.ListPaymentsPage(t.Context(), params, payments.PageParams{IncludeTotalSize: true})
	check(t, err)
	assertEqual(t, "the total", *page.TotalSize, 3)
	charge(t, client, payments.ChargeParams{})
	next, err := client.ListPaymentsPage(t.Context(), params, payments.PageParams{Token: page.NextPageToken})
	check(t, err)
	if len(next.Payments) != 1 || next.Payments[0].PaymentID != 1 || next.NextPageToken != "" || next.TotalSize != nil {
		t.Errorf("the next page is %+v", next)
	}
}

func TestAPageHas50PaymentsByDefaultAndAtMost1000(t *testing.T) {
	client := paymentstest.NewClient(t)
	charge(t, client, payments.ChargeParams{})
	charges := make([]payments.ChargeParams, 1000)
	for index := range charges {
		charges[index] = payments.ChargeParams{OrderID: 1, Amount: amount("1.00")}
	}
	_, err := client.BatchCharge(t.Context(), charges)
	check(t, err)
	for size, expected := range map[int32]int{0: 50, 1000: 1000, 2000: 1000} {
		page, err := client.ListPaymentsPage(t.Context(), payments.ListParams{PageSize: size}, payments.PageParams{})
		check(t, err)
		assertEqual(t, "the number of payments", len(page.Payments), expected)
	}
}

func TestAPageTokenIsValidOnlyForItsRequest(t *testing.T) {
	client := paymentstest.NewClient(t)
	for range 3 {
		charge(t, client, payments.ChargeParams{})
	}
	page, err := client.ListPaymentsPage(t.Context(), payments.ListParams{PageSize: 1}, payments.PageParams{})
	check(t, err)
	token := page.NextPageToken
	for _, params := range []payments.ListParams{
		{OrderID: payments.Ptr(int64(342))}, {OrderBy: "create_time asc"}, {RequestID: payments.Ptr("a")},
	} {
		_, err := client.ListPaymentsPage(t.Context(), params, payments.PageParams{Token: token})
		assertInvalid(t, err, "page_token")
	}
	for _, altered := range []string{"nonsense", token[1:], token + "A", strings.ToLower(token), token + "\n"} {
		_, err := client.ListPaymentsPage(t.Context(), payments.ListParams{}, payments.PageParams{Token: altered})
		assertInvalid(t, err, "page_token")
	}
	_, err = client.ListPaymentsPage(t.Context(), payments.ListParams{PageSize: 7}, payments.PageParams{Token: token})
	check(t, err)
	_, err = client.ListPaymentEventsPage(t.Context(), payments.ListPaymentEventsParams{PaymentID: 3, PageToken: token})
	assertInvalid(t, err, "page_token")
}

func TestAnInvalidFilterNamesItsFields(t *testing.T) {
	client := paymentstest.NewClient(t)
	now, text := time.Now(), payments.Ptr[string]
	for _, test := range []struct {
		params payments.ListParams
		field  string
	}{
		{payments.ListParams{Methods: slices.Repeat([]payments.PaymentMethod{"UPI"}, 21)}, "filter.methods"},
		{payments.ListParams{Reference: text("")}, "filter.reference"},
		{payments.ListParams{RequestID: text("")}, "filter.request_id"},
		{payments.ListParams{Caller: text("shop ")}, "filter.caller"},
		{payments.ListParams{ProcessorReference: text(strings.Repeat("a", 256))}, "filter.processor_reference"},
		{payments.ListParams{ExternalReference: text("")}, "filter.external_reference"},
		{payments.ListParams{CustomerID: text("a\x00b")}, "filter.customer_id"},
		{payments.ListParams{MinAmount: optionalAmount("1.001")}, "filter.min_amount.nanos"},
		{payments.ListParams{MinAmount: optionalAmount("2"), MaxAmount: optionalAmount("1")}, "filter.max_amount"},
		{payments.ListParams{MinAmount: optionalAmount("1"), Currency: "XYZ"}, "filter.min_amount.currency_code"},
		{payments.ListParams{MinCreateTime: now, MaxCreateTime: now.Add(-1)}, "filter.max_create_time"},
		{payments.ListParams{OrderBy: "amount"}, "order_by"},
		{payments.ListParams{PageSize: -1}, "page_size"},
	} {
		_, err := client.ListPaymentsPage(t.Context(), test.params, payments.PageParams{})
		assertInvalid(t, err, test.field)
	}
}

func TestThePagesOfAPayment(t *testing.T) {
	client := paymentstest.NewClient(t)
	charge(t, client, payments.ChargeParams{Amount: amount("103.00")})
	charge(t, client, payments.ChargeParams{})
	for range 102 {
		refund(t, client, payments.RefundParams{PaymentID: 1, Amount: optionalAmount("1.00")})
	}
	refund(t, client, payments.RefundParams{PaymentID: 2})
	details := get(t, client, 1)
	assertEqual(t, "the first refunds", len(details.Refunds), 100)
	_, err := client.ListPaymentEventsPage(t.Context(), payments.ListPaymentEventsParams{
		PaymentID: 1, PageToken: details.NextRefundsPageToken,
	})
	assertInvalid(t, err, "page_token")
	var rest []int64
	params := payments.ListRefundsParams{PaymentID: 1, PageSize: 1, PageToken: details.NextRefundsPageToken}
	for refund, err := range client.ListRefunds(t.Context(), params) {
		check(t, err)
		rest = append(rest, refund.RefundID)
	}
	assertList(t, "the rest", rest, 101, 102)
	assertEqual(t, "the number of events", len(eventTypes(t, client, 1)), 103)
	assertList(t, "the events of the other payment", eventTypes(t, client, 2),
		payments.EventCharged, payments.EventRefunded)

	params.PaymentID = 2
	_, err = client.ListRefundsPage(t.Context(), params)
	assertInvalid(t, err, "page_token")
	_, err = client.ListRefundsPage(t.Context(), payments.ListRefundsParams{PageSize: -1})
	assertInvalid(t, err, "payment_id", "page_size")
	var notFound *payments.PaymentNotFoundError
	_, err = client.ListPaymentEventsPage(t.Context(), payments.ListPaymentEventsParams{PaymentID: 3})
	if !errors.As(err, &notFound) {
		t.Errorf("the error is %v", err)
	}
}

func TestAPaymentIsFoundByEachOfItsKeys(t *testing.T) {
	client := paymentstest.NewClient(t)
	payment := charge(t, client, payments.ChargeParams{RequestID: payments.Ptr("a")})
	byReference, err := client.GetPaymentByReference(t.Context(), payment.Reference)
	check(t, err)
	byRequestID, err := client.GetPaymentByRequestID(t.Context(), "a", payments.OfCaller("anonymous"))
	check(t, err)
	assertSame(t, byReference, get(t, client, payment.PaymentID))
	assertSame(t, byRequestID, byReference)

	var denied *payments.PermissionDeniedError
	_, err = client.GetPaymentByRequestID(t.Context(), "a", payments.OfCaller("shop"))
	if !errors.As(err, &denied) || denied.Reason != "ROLE_MISSING" {
		t.Errorf("the error is %v", err)
	}
	_, err = client.ListPaymentsPage(t.Context(), payments.ListParams{
		RequestID: payments.Ptr("a"), Caller: payments.Ptr("shop"),
	}, payments.PageParams{})
	if !errors.As(err, &denied) {
		t.Errorf("the error is %v", err)
	}
	_, err = client.GetPayment(t.Context(), 1, payments.OfCaller("anonymous"))
	assertInvalid(t, err, "caller")
	_, err = client.GetPaymentByRequestID(t.Context(), "a", payments.OfCaller("é"))
	assertInvalid(t, err, "caller")
	_, err = client.GetPaymentByReference(t.Context(), "")
	assertInvalid(t, err, "reference")
	_, err = client.GetPaymentByRequestID(t.Context(), "")
	assertInvalid(t, err, "request_id")
	var notFound *payments.PaymentNotFoundError
	if _, err = client.GetPaymentByRequestID(t.Context(), "b"); !errors.As(err, &notFound) {
		t.Errorf("the error is %v", err)
	}
}
