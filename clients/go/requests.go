package payments

import (
	"crypto/rand"
	"fmt"
	"maps"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/types/known/timestamppb"

	paymentsv1 "payments.internal/payments/v1"
)

func chargeRequest(params ChargeParams) (*paymentsv1.ChargeRequest, error) {
	amount, err := moneyFrom("Amount", params.Amount, params.Currency)
	if err != nil {
		return nil, err
	}
	method := paymentsv1.PaymentMethod_PAYMENT_METHOD_UNSPECIFIED
	if params.Method != "" {
		if method, err = methods.number("Method", params.Method); err != nil {
			return nil, err
		}
	}
	texts := append(labelTexts(params.Labels),
		text{"Currency", params.Currency}, optionalText("RequestID", params.RequestID),
		text{"ExternalReference", params.ExternalReference}, text{"CustomerID", params.CustomerID},
		text{"PaymentSource", params.PaymentSource}, text{"ReturnURL", params.ReturnURL})
	if err := checkTexts(texts...); err != nil {
		return nil, err
	}
	return &paymentsv1.ChargeRequest{
		OrderId: params.OrderID, Amount: amount, Method: method, RequestId: requestID(params.RequestID),
		ExternalReference: params.ExternalReference, CustomerId: params.CustomerID, Labels: maps.Clone(params.Labels),
		PaymentSource: params.PaymentSource, ReturnUrl: params.ReturnURL, UnlessPending: params.UnlessPending,
	}, nil
}

func batchChargeRequest(charges []ChargeParams) (*paymentsv1.BatchChargeRequest, error) {
	request := &paymentsv1.BatchChargeRequest{}
	for _, params := range charges {
		charge, err := chargeRequest(params)
		if err != nil {
			return nil, err
		}
		request.Charges = append(request.Charges, charge)
	}
	return request, nil
}

func refundRequest(params RefundParams) (*paymentsv1.RefundRequest, error) {
	if params.Currency != "" && params.Amount == nil {
		return nil, &ArgumentError{"Currency", "needs an Amount"}
	}
	amount, err := optionalMoney("Amount", params.Amount, params.Currency)
	if err != nil {
		return nil, err
	}
	err = checkTexts(
		text{"Currency", params.Currency}, text{"Reason", params.Reason}, optionalText("RequestID", params.RequestID))
	if err != nil {
		return nil, err
	}
	return &paymentsv1.RefundRequest{
		PaymentId: params.PaymentID, Amount: amount, Reason: params.Reason, RequestId: requestID(params.RequestID),
	}, nil
}

func listRequest(params ListParams, page PageParams) (*paymentsv1.ListPaymentsRequest, error) {
	filter, err := filter(params)
	if err != nil {
		return nil, err
	}
	err = checkTexts(
		text{"Currency", params.Currency}, optionalText("Reference", params.Reference),
		optionalText("RequestID", params.RequestID), optionalText("Caller", params.Caller),
		optionalText("ProcessorReference", params.ProcessorReference),
		optionalText("ExternalReference", params.ExternalReference), optionalText("CustomerID", params.CustomerID),
		text{"OrderBy", params.OrderBy}, text{"Token", page.Token})
	if err != nil {
		return nil, err
	}
	return &paymentsv1.ListPaymentsRequest{
		Filter: filter, OrderBy: params.OrderBy, PageSize: params.PageSize,
		PageToken: page.Token, IncludeTotalSize: page.IncludeTotalSize,
	}, nil
}

func filter(params ListParams) (_ *paymentsv1.PaymentFilter, err error) {
	if params.Currency != "" && params.MinAmount == nil && params.MaxAmount == nil {
		return nil, &ArgumentError{"Currency", "needs MinAmount or MaxAmount"}
	}
	filter := &paymentsv1.PaymentFilter{
		OrderId: params.OrderID, Reference: params.Reference, RequestId: params.RequestID, Caller: params.Caller,
		ProcessorReference: params.ProcessorReference, ExternalReference: params.ExternalReference,
		CustomerId: params.CustomerID,
	}
	if filter.Methods, err = methods.numbers("Methods", params.Methods...); err != nil {
		return nil, err
	}
	if filter.Statuses, err = statuses.numbers("Statuses", params.Statuses...); err != nil {
		return nil, err
	}
	if filter.RefundStates, err = refundStates.numbers("RefundStates", params.RefundStates...); err != nil {
		return nil, err
	}
	if filter.MinAmount, err = optionalMoney("MinAmount", params.MinAmount, params.Currency); err != nil {
		return nil, err
	}
	if filter.MaxAmount, err = optionalMoney("MaxAmount", params.MaxAmount, params.Currency); err != nil {
		return nil, err
	}
	if filter.MinCreateTime, err = timestampFrom("MinCreateTime", params.MinCreateTime); err != nil {
		return nil, err
	}
	if filter.MaxCreateTime, err = timestampFrom("MaxCreateTime", params.MaxCreateTime); err != nil {
		return nil, err
	}
	return filter, nil
}

func watchRequest(params WatchParams) (*paymentsv1.WatchPaymentsRequest, error) {
	types, err := eventTypes.numbers("Types", params.Types...)
	if err != nil {
		return nil, err
	}
	err = checkTexts(
		text{"ResumeToken", params.ResumeToken}, optionalText("Caller", params.Caller),
		optionalText("ExternalReference", params.ExternalReference), optionalText("CustomerID", params.CustomerID))
	if err != nil {
		return nil, err
	}
	return &paymentsv1.WatchPaymentsRequest{
		ResumeToken: params.ResumeToken,
		Filter: &paymentsv1.PaymentEventFilter{
			Caller: params.Caller, OrderId: params.OrderID, ExternalReference: params.ExternalReference,
			CustomerId: params.CustomerID, Types: types,
		},
	}, nil
}

func optionalMoney(name string, amount *decimal.Decimal, currency string) (*money.Money, error) {
	if amount == nil {
		return nil, nil
	}
	return moneyFrom(name, *amount, currency)
}

// timestampFrom converts a time. The zero time, which means no bound, becomes nil.
func timestampFrom(name string, moment time.Time) (*timestamppb.Timestamp, error) {
	if moment.IsZero() {
		return nil, nil
	}
	timestamp := timestamppb.New(moment)
	if timestamp.CheckValid() != nil {
		return nil, &ArgumentError{name, "must be in the years 1 to 9999"}
	}
	return timestamp, nil
}

// requestID returns a copy of given or, if that is nil, a new request_id (AIP-155): a UUID of version 4 (RFC 9562).
func requestID(given *string) *string {
	if given != nil {
		return Ptr(*given)
	}
	var id [16]byte
	rand.Read(id[:]) // Never returns an error.
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return Ptr(fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]))
}
