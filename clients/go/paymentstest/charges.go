package paymentstest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	paymentsv1 "payments.internal/payments/v1"
)

const (
	maxBatch         = 1000
	chargeableMethod = "must be one of PAYMENT_METHOD_UPI, PAYMENT_METHOD_CARD, PAYMENT_METHOD_COD"
)

// Charge makes one charge.
func (s *server) Charge(
	ctx context.Context, request *paymentsv1.ChargeRequest,
) (*paymentsv1.ChargeResponse, error) {
	payment, isReplayed, err := s.charge(request)
	if err != nil {
		return nil, err
	}
	if isReplayed {
		if err := markReplayed(ctx); err != nil {
			return nil, err
		}
	}
	return &paymentsv1.ChargeResponse{Payment: payment}, nil
}

// BatchCharge makes many charges, each of which has its own outcome.
func (s *server) BatchCharge(
	ctx context.Context, request *paymentsv1.BatchChargeRequest,
) (*paymentsv1.BatchChargeResponse, error) {
	if count := len(request.GetCharges()); count == 0 || count > maxBatch {
		var reader reader
		reader.reject("charges", "must have 1 to 1,000 charges")
		return nil, reader.err()
	}
	response := &paymentsv1.BatchChargeResponse{}
	for _, charge := range request.GetCharges() {
		payment, isReplayed, err := s.charge(charge)
		result := &paymentsv1.BatchChargeResult{Replayed: isReplayed}
		if err != nil {
			result.Outcome = &paymentsv1.BatchChargeResult_Error{Error: statusOf(err, callIDOf(ctx)).Proto()}
		} else {
			result.Outcome = &paymentsv1.BatchChargeResult_Payment{Payment: payment}
		}
		response.Results = append(response.Results, result)
	}
	return response, nil
}

// charge returns the payment of a charge, and whether an earlier charge with the same request_id made it.
func (s *server) charge(request *paymentsv1.ChargeRequest) (payment *paymentsv1.Payment, isReplayed bool, err error) {
	charged, err := s.readCharge(request)
	if err != nil {
		return nil, false, err
	}
	parameters := proto.CloneOf(request)
	parameters.Amount = charged.message()
	// A retry need not repeat these.
	parameters.RequestId, parameters.UnlessPending, parameters.ReturnUrl = nil, false, ""
	requestID := requestIDOr(request.RequestId)
	if earlier, ok := s.charges[requestID]; ok {
		if !proto.Equal(earlier.parameters, parameters) {
			return nil, false, requestIDReused("Charge", requestID)
		}
		return s.ledger.payment(earlier.id), true, nil
	}
	if err := s.checkUnlessPending(request); err != nil {
		return nil, false, err
	}
	payment = s.ledger.addPayment(&paymentsv1.Payment{
		OrderId:           request.GetOrderId(),
		Amount:            charged.message(),
		Method:            cmp.Or(request.GetMethod(), paymentsv1.PaymentMethod_PAYMENT_METHOD_CARD),
		RefundedAmount:    amount{charged.currency, 0}.message(),
		RefundState:       paymentsv1.RefundState_REFUND_STATE_NONE,
		Caller:            callerName,
		RequestId:         requestID,
		ExternalReference: request.GetExternalReference(),
		CustomerId:        request.GetCustomerId(),
		Labels:            parameters.GetLabels(),
	}, sources[cmp.Or(request.GetPaymentSource(), s.settings.defaultSource)])
	s.charges[requestID] = earlierRequest{parameters, payment.GetPaymentId()}
	return payment, false, nil
}

// readCharge checks a charge, and returns its amount.
func (s *server) readCharge(request *paymentsv1.ChargeRequest) (amount, error) {
	var reader reader
	reader.optionalName("external_reference", request.GetExternalReference())
	reader.optionalName("customer_id", request.GetCustomerId())
	reader.labels("labels", request.GetLabels())
	if orderID := request.GetOrderId(); orderID < 0 || orderID == 0 && request.GetExternalReference() == "" {
		reader.reject("order_id", "must be 1 or more, or left out if there is an external_reference")
	}
	charged := s.readChargeAmount(&reader, request)
	switch request.GetMethod() {
	case paymentsv1.PaymentMethod_PAYMENT_METHOD_UNSPECIFIED, paymentsv1.PaymentMethod_PAYMENT_METHOD_UPI,
		paymentsv1.PaymentMethod_PAYMENT_METHOD_CARD, paymentsv1.PaymentMethod_PAYMENT_METHOD_COD:
	default:
		reader.reject("method", chargeableMethod)
	}
	reader.requestID("request_id", request.RequestId)
	if _, isKnown := sources[request.GetPaymentSource()]; !isKnown && request.GetPaymentSource() != "" {
		names := slices.Sorted(maps.Keys(sources))
		reader.reject("payment_source", "must be one of "+strings.Join(names, ", ")+", or empty")
	}
	readReturnURL(&reader, request)
	return charged, reader.err()
}

func readReturnURL(reader *reader, request *paymentsv1.ChargeRequest) {
	switch returnURL := request.GetReturnUrl(); {
	case returnURL == "":
	case request.GetPaymentSource() == "":
		reader.reject("return_url", "must be empty without a payment_source")
	case !isHTTPSURL(returnURL):
		reader.reject("return_url", fmt.Sprintf("must be an https URL of at most %d characters", maxURLLength))
	}
}

func (s *server) readChargeAmount(reader *reader, request *paymentsv1.ChargeRequest) amount {
	if request.GetAmount() == nil {
		reader.reject("amount", "is required")
		return amount{}
	}
	currency := cmp.Or(request.GetAmount().GetCurrencyCode(), s.settings.defaultCurrency)
	if !s.settings.allows(currency) {
		codes := slices.Sorted(slices.Values(s.settings.allowedCurrencies))
		reader.reject("amount.currency_code", "must be one of "+strings.Join(codes, ", ")+", or empty")
		return amount{}
	}
	return reader.positiveAmount("amount", request.GetAmount(), currency)
}

// checkUnlessPending rejects a charge with unless_pending while another payment of its order is pending.
func (s *server) checkUnlessPending(request *paymentsv1.ChargeRequest) error {
	if !request.GetUnlessPending() {
		return nil
	}
	pending := s.ledger.findPayment(func(payment *paymentsv1.Payment) bool {
		isSameOrder := payment.GetOrderId() == request.GetOrderId() &&
			(request.GetOrderId() != 0 || payment.GetExternalReference() == request.GetExternalReference())
		return isSameOrder && payment.GetStatus() == paymentsv1.PaymentStatus_PAYMENT_STATUS_PENDING
	})
	if pending == nil {
		return nil
	}
	paymentID := strconv.FormatInt(pending.GetPaymentId(), 10)
	return &failure{
		code: codes.FailedPrecondition, reason: "ORDER_HAS_PENDING_PAYMENT",
		message:  "payment " + paymentID + " of this order is pending; charge the order once it has its outcome",
		metadata: map[string]string{"payment_id": paymentID},
	}
}
