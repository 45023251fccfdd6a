package paymentstest

import (
	"context"

	"google.golang.org/protobuf/proto"

	paymentsv1 "payments.internal/payments/v1"
)

// maxRefundsShown is the maximum number of refunds that are returned with their payment.
const maxRefundsShown = 100

// GetPayment returns a payment with its first refunds.
func (s *server) GetPayment(
	_ context.Context, request *paymentsv1.GetPaymentRequest,
) (*paymentsv1.GetPaymentResponse, error) {
	payment, err := s.requestedPayment(request)
	if err != nil {
		return nil, err
	}
	if payment == nil {
		return nil, errPaymentNotFound
	}
	refunds, nextToken := s.refundPage(payment.GetPaymentId(), 0, maxRefundsShown)
	return &paymentsv1.GetPaymentResponse{Payment: payment, Refunds: refunds, NextRefundsPageToken: nextToken}, nil
}

// requestedPayment returns the payment with the requested key, or nil if there is none.
func (s *server) requestedPayment(request *paymentsv1.GetPaymentRequest) (*paymentsv1.Payment, error) {
	var reader reader
	_, isByRequestID := request.GetKey().(*paymentsv1.GetPaymentRequest_RequestId)
	if request.GetCaller() != "" && !isByRequestID {
		reader.reject("caller", "must be empty, unless the key is a request_id")
	}
	switch key := request.GetKey().(type) {
	case *paymentsv1.GetPaymentRequest_PaymentId:
		reader.id("payment_id", key.PaymentId)
		return s.ledger.payment(key.PaymentId), reader.err()
	case *paymentsv1.GetPaymentRequest_Reference:
		reader.reference("reference", &key.Reference, maxReferenceLength)
		return s.ledger.findPayment(func(payment *paymentsv1.Payment) bool {
			return payment.GetReference() == key.Reference
		}), reader.err()
	case *paymentsv1.GetPaymentRequest_RequestId:
		if request.GetCaller() != "" {
			reader.caller("caller", &request.Caller)
		}
		reader.requestID("request_id", &key.RequestId)
		if err := reader.err(); err != nil {
			return nil, err
		}
		if request.GetCaller() != "" && request.GetCaller() != callerName {
			return nil, auditRoleMissing()
		}
		return s.ledger.payment(s.charges[key.RequestId].id), nil
	}
	reader.reject("key", "payment_id, reference or request_id is required")
	return nil, reader.err()
}

// ListRefunds returns a page of the refunds of a payment.
func (s *server) ListRefunds(
	_ context.Context, request *paymentsv1.ListRefundsRequest,
) (*paymentsv1.ListRefundsResponse, error) {
	size, after, err := s.readPageOfPayment(request, refundsToken)
	if err != nil {
		return nil, err
	}
	refunds, nextToken := s.refundPage(request.GetPaymentId(), after, size)
	return &paymentsv1.ListRefundsResponse{Refunds: refunds, NextPageToken: nextToken}, nil
}

// refundPage returns the refunds after the refund with the id after, and the token of the next page.
func (s *server) refundPage(paymentID, after int64, size int) (page []*paymentsv1.Refund, nextToken string) {
	refunds := s.ledger.refundsOf(paymentID, after)
	if len(refunds) <= size {
		return refunds, ""
	}
	return refunds[:size], refundsToken.encode(refunds[size-1].GetRefundId(), pageOf(paymentID))
}

// ListPaymentEvents returns a page of the events of a payment.
func (s *server) ListPaymentEvents(
	_ context.Context, request *paymentsv1.ListPaymentEventsRequest,
) (*paymentsv1.ListPaymentEventsResponse, error) {
	size, after, err := s.readPageOfPayment(request, eventsToken)
	if err != nil {
		return nil, err
	}
	response := &paymentsv1.ListPaymentEventsResponse{}
	var last int64 // the position of the last event on the page
	for index, event := range s.ledger.events {
		position := int64(index) + 1
		if position <= after || event.GetPayment().GetPaymentId() != request.GetPaymentId() {
			continue
		}
		if len(response.GetEvents()) == size {
			response.NextPageToken = eventsToken.encode(last, pageOf(request.GetPaymentId()))
			break
		}
		response.Events = append(response.Events, event)
		last = position
	}
	response.Events = s.ledger.currentEvents(response.GetEvents())
	return response, nil
}

// pageOfPayment is a request for a page of what belongs to one payment.
type pageOfPayment interface {
	GetPaymentId() int64
	GetPageSize() int32
	GetPageToken() string
}

// readPageOfPayment checks a request, and returns the size of the page and the position after which it starts.
func (s *server) readPageOfPayment(request pageOfPayment, kind tokenKind) (size int, after int64, err error) {
	var reader reader
	reader.id("payment_id", request.GetPaymentId())
	size = reader.pageSize(request.GetPageSize())
	if err := reader.err(); err != nil {
		return 0, 0, err
	}
	if token := request.GetPageToken(); token != "" {
		position, isValid := kind.decode(token, pageOf(request.GetPaymentId()))
		if !isValid {
			reader.reject("page_token", "must be an unaltered next_page_token for the same payment_id")
		}
		after = position
	}
	if err := reader.err(); err != nil {
		return 0, 0, err
	}
	if s.ledger.payment(request.GetPaymentId()) == nil {
		return 0, 0, errPaymentNotFound
	}
	return size, after, nil
}

// pageOf returns the request to which the tokens of a payment's pages are bound.
func pageOf(paymentID int64) proto.Message {
	return &paymentsv1.ListRefundsRequest{PaymentId: paymentID}
}
