package payments

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	paymentsv1 "payments.internal/payments/v1"
)

func paymentFrom(message *paymentsv1.Payment) *Payment {
	return &Payment{
		PaymentID:          message.GetPaymentId(),
		OrderID:            message.GetOrderId(),
		Amount:             amountFrom(message.GetAmount()),
		Currency:           message.GetAmount().GetCurrencyCode(),
		Method:             methods.name(message.GetMethod()),
		OtherMethod:        message.GetOtherMethod(),
		Status:             statuses.name(message.GetStatus()),
		Reference:          message.GetReference(),
		CreateTime:         timeFrom(message.GetCreateTime()),
		RefundedAmount:     amountFrom(message.GetRefundedAmount()),
		RefundState:        refundStates.name(message.GetRefundState()),
		Caller:             message.GetCaller(),
		RequestID:          message.GetRequestId(),
		ProcessorReference: message.GetProcessorReference(),
		Failure:            failures.name(message.GetFailure()),
		FailureCode:        message.GetFailureCode(),
		ExternalReference:  message.GetExternalReference(),
		CustomerID:         message.GetCustomerId(),
		Labels:             message.GetLabels(),
		NextAction:         nextActionFrom(message.GetNextAction()),
		Dispute:            disputeFrom(message.GetDispute()),
	}
}

// nextActionFrom converts a next action. A missing one becomes nil.
func nextActionFrom(message *paymentsv1.NextAction) *NextAction {
	if message == nil {
		return nil
	}
	return &NextAction{
		Type:        nextActionTypes.name(message.GetType()),
		RedirectURL: message.GetRedirectUrl(),
		ExpireTime:  timeFrom(message.GetExpireTime()),
	}
}

// disputeFrom converts a dispute. A missing one becomes nil.
func disputeFrom(message *paymentsv1.Dispute) *Dispute {
	if message == nil {
		return nil
	}
	return &Dispute{
		Status:             disputeStatuses.name(message.GetStatus()),
		Amount:             amountFrom(message.GetAmount()),
		Currency:           message.GetAmount().GetCurrencyCode(),
		Reason:             message.GetReason(),
		OpenTime:           timeFrom(message.GetOpenTime()),
		CloseTime:          timeFrom(message.GetCloseTime()),
		ProcessorReference: message.GetProcessorReference(),
	}
}

func batchChargeResultsFrom(
	request *paymentsv1.BatchChargeRequest, response *paymentsv1.BatchChargeResponse,
) ([]BatchChargeResult, error) {
	if len(response.GetResults()) != len(request.GetCharges()) {
		malformed := status.New(codes.Internal, "the response does not have one result for each charge")
		return nil, withStatus(CallError{causes: []error{malformed.Err()}}, malformed)
	}
	results := make([]BatchChargeResult, 0, len(response.GetResults()))
	for index, result := range response.GetResults() {
		if result.GetError() == nil {
			results = append(results, BatchChargeResult{Payment: paymentFrom(result.GetPayment())})
			continue
		}
		requestID := request.GetCharges()[index].GetRequestId()
		results = append(results, BatchChargeResult{Err: errorFromStatus(status.FromProto(result.GetError()), requestID)})
	}
	return results, nil
}

func refundFrom(message *paymentsv1.Refund) *Refund {
	return &Refund{
		RefundID:           message.GetRefundId(),
		PaymentID:          message.GetPaymentId(),
		Amount:             amountFrom(message.GetAmount()),
		Currency:           message.GetAmount().GetCurrencyCode(),
		Status:             refundStatuses.name(message.GetStatus()),
		Reason:             message.GetReason(),
		CreateTime:         timeFrom(message.GetCreateTime()),
		Caller:             message.GetCaller(),
		RequestID:          message.GetRequestId(),
		ProcessorReference: message.GetProcessorReference(),
		Failure:            failures.name(message.GetFailure()),
		FailureCode:        message.GetFailureCode(),
	}
}

func refundResultFrom(response *paymentsv1.RefundResponse) *RefundResult {
	result := &RefundResult{Payment: paymentFrom(response.GetPayment())}
	if response.GetRefund() != nil {
		result.Refund = refundFrom(response.GetRefund())
	}
	return result
}

func paymentDetailsFrom(response *paymentsv1.GetPaymentResponse) *PaymentDetails {
	return &PaymentDetails{
		Payment:              paymentFrom(response.GetPayment()),
		Refunds:              convertAll(response.GetRefunds(), refundFrom),
		NextRefundsPageToken: response.GetNextRefundsPageToken(),
	}
}

func refundPageFrom(response *paymentsv1.ListRefundsResponse) *RefundPage {
	return &RefundPage{
		Refunds:       convertAll(response.GetRefunds(), refundFrom),
		NextPageToken: response.GetNextPageToken(),
	}
}

func paymentPageFrom(response *paymentsv1.ListPaymentsResponse) *PaymentPage {
	return &PaymentPage{
		Payments:      convertAll(response.GetPayments(), paymentFrom),
		NextPageToken: response.GetNextPageToken(),
		TotalSize:     response.TotalSize,
	}
}

func paymentUpdateFrom(response *paymentsv1.WatchPaymentsResponse) *PaymentUpdate {
	update := &PaymentUpdate{ResumeToken: response.GetResumeToken()}
	if response.GetEvent() != nil {
		update.Event = paymentEventFrom(response.GetEvent())
	}
	return update
}

func paymentEventFrom(message *paymentsv1.PaymentEvent) *PaymentEvent {
	event := &PaymentEvent{
		Type:      eventTypes.name(message.GetType()),
		EventTime: timeFrom(message.GetEventTime()),
		Payment:   paymentFrom(message.GetPayment()),
		Caller:    message.GetCaller(),
		RequestID: message.GetRequestId(),
	}
	if message.GetRefund() != nil {
		event.Refund = refundFrom(message.GetRefund())
	}
	return event
}

func paymentEventPageFrom(response *paymentsv1.ListPaymentEventsResponse) *PaymentEventPage {
	return &PaymentEventPage{
		Events:        convertAll(response.GetEvents(), paymentEventFrom),
		NextPageToken: response.GetNextPageToken(),
	}
}

func convertAll[From, To any](messages []From, convert func(From) To) []To {
	converted := make([]To, len(messages))
	for index, message := range messages {
		converted[index] = convert(message)
	}
	return converted
}

// timeFrom converts a timestamp. A missing one becomes the zero time.
func timeFrom(timestamp *timestamppb.Timestamp) time.Time {
	if timestamp == nil {
		return time.Time{}
	}
	return timestamp.AsTime()
}
