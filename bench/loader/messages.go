package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	paymentsv1 "payments.internal/payments/v1"
)

// Placeholders of a template for the values that differ between calls. Each is as long as the value that replaces it.
const (
	requestIDPlaceholder       = "00000000-0000-4000-8000-000000000000"
	orderIDPlaceholder   int64 = 0x5_1234_5678
	paymentIDPlaceholder int64 = 0x6_1357_9BDF
	timePlaceholder      int64 = 0x4_0246_8ACE // in seconds since 1970

	maxOrderID  = 1_000_000
	varintBytes = 5 // the length of a varint for numbers below 2^35
	maxVarint   = 1<<(7*varintBytes) - 1
)

// An rpc is the path of an RPC and a request message with placeholders.
type rpc struct {
	path    string
	message func(options) proto.Message
	// Use each payment once, in order, instead of random payments.
	usesPaymentsOnce bool
}

var rpcs = map[string]rpc{
	"charge": {
		path:    paymentsv1.PaymentService_Charge_FullMethodName,
		message: func(options) proto.Message { return charge(proto.String(requestIDPlaceholder)) },
	},
	"charge_without_request_id": {
		path:    paymentsv1.PaymentService_Charge_FullMethodName,
		message: func(options) proto.Message { return charge(nil) },
	},
	"batch_charge": {
		path: paymentsv1.PaymentService_BatchCharge_FullMethodName,
		message: func(options options) proto.Message {
			batch := &paymentsv1.BatchChargeRequest{}
			for range options.batchSize {
				batch.Charges = append(batch.Charges, charge(proto.String(requestIDPlaceholder)))
			}
			return batch
		},
	},
	"refund": {
		path: paymentsv1.PaymentService_Refund_FullMethodName,
		message: func(options) proto.Message {
			return &paymentsv1.RefundRequest{PaymentId: paymentIDPlaceholder, RequestId: proto.String(requestIDPlaceholder)}
		},
		usesPaymentsOnce: true,
	},
	"get": {
		path: paymentsv1.PaymentService_GetPayment_FullMethodName,
		message: func(options) proto.Message {
			return &paymentsv1.GetPaymentRequest{Key: &paymentsv1.GetPaymentRequest_PaymentId{PaymentId: paymentIDPlaceholder}}
		},
	},
	"list": {
		path: paymentsv1.PaymentService_ListPayments_FullMethodName,
		message: func(options options) proto.Message {
			return &paymentsv1.ListPaymentsRequest{PageSize: int32(options.pageSize)}
		},
	},
	// Each page starts at a random time, so that the pages of a run cover all payments of the range of times.
	"list_random_page": {
		path: paymentsv1.PaymentService_ListPayments_FullMethodName,
		message: func(options options) proto.Message {
			newest := &timestamppb.Timestamp{Seconds: timePlaceholder}
			return &paymentsv1.ListPaymentsRequest{
				PageSize: int32(options.pageSize), Filter: &paymentsv1.PaymentFilter{MaxCreateTime: newest},
			}
		},
	},
}

func charge(requestID *string) *paymentsv1.ChargeRequest {
	return &paymentsv1.ChargeRequest{
		OrderId:   orderIDPlaceholder,
		Amount:    &money.Money{Units: 561},
		Method:    paymentsv1.PaymentMethod_PAYMENT_METHOD_UPI,
		RequestId: requestID,
	}
}

// messages creates the request messages of a run, for any number of goroutines. The message is serialized once, and each
// call gets a copy with its own values in place of the placeholders.
type messages struct {
	template   []byte // with the prefix
	requestIDs []int  // offsets in the template
	orderIDs   []int
	paymentIDs []int
	times      []int

	payments         numberRange
	createTimes      numberRange
	usesPaymentsOnce bool
	paymentsUsed     atomic.Int64
}

// A numberRange is a range of numbers, from first to last.
type numberRange struct{ first, last int64 }

// Set parses FIRST-LAST, for a flag.
func (r *numberRange) Set(text string) error {
	if _, err := fmt.Sscanf(text, "%d-%d", &r.first, &r.last); err != nil {
		return errors.New("must be FIRST-LAST")
	}
	return nil
}

// String formats FIRST-LAST.
func (r *numberRange) String() string { return fmt.Sprintf("%d-%d", r.first, r.last) }

func (r numberRange) size() int64 { return r.last - r.first + 1 }

func (r numberRange) random() int64 { return r.first + rand.Int64N(r.size()) }

// isValid reports whether each number of the range can replace a placeholder.
func (r numberRange) isValid() bool { return r.first >= 1 && r.size() >= 1 && r.last <= maxVarint }

func newMessages(method rpc, options options) (*messages, error) {
	body, err := proto.Marshal(method.message(options))
	if err != nil {
		return nil, err
	}
	template := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body)))
	template = append(template, body...)
	m := &messages{
		template:         template,
		requestIDs:       offsets(template, []byte(requestIDPlaceholder)),
		orderIDs:         offsets(template, protowire.AppendVarint(nil, uint64(orderIDPlaceholder))),
		paymentIDs:       offsets(template, protowire.AppendVarint(nil, uint64(paymentIDPlaceholder))),
		times:            offsets(template, protowire.AppendVarint(nil, uint64(timePlaceholder))),
		payments:         options.payments,
		createTimes:      options.createTimes,
		usesPaymentsOnce: method.usesPaymentsOnce,
	}
	if len(m.paymentIDs) > 0 && !m.payments.isValid() {
		return nil, fmt.Errorf("-payment-ids FIRST-LAST is required, from 1 to %d", maxVarint)
	}
	if len(m.times) > 0 && !m.createTimes.isValid() {
		return nil, fmt.Errorf("-create-times FIRST-LAST is required, from 1 to %d", maxVarint)
	}
	return m, nil
}

func offsets(template, placeholder []byte) []int {
	var found []int
	for from := 0; ; {
		at := bytes.Index(template[from:], placeholder)
		if at < 0 {
			return found
		}
		found = append(found, from+at)
		from += at + len(placeholder)
	}
}

// appendNext appends the next message with its prefix to buffer. It returns false when all payments have been used.
func (m *messages) appendNext(buffer []byte) ([]byte, bool) {
	start := len(buffer)
	buffer = append(buffer, m.template...)
	message := buffer[start:]
	for _, at := range m.requestIDs {
		putUUID(message[at:])
	}
	for _, at := range m.orderIDs {
		putVarint(message[at:], 1+rand.Int64N(maxOrderID))
	}
	for _, at := range m.times {
		putVarint(message[at:], m.createTimes.random())
	}
	for _, at := range m.paymentIDs {
		id, ok := m.paymentID()
		if !ok {
			return buffer[:start], false
		}
		putVarint(message[at:], id)
	}
	return buffer, true
}

func (m *messages) paymentID() (int64, bool) {
	if !m.usesPaymentsOnce {
		return m.payments.random(), true
	}
	id := m.payments.first + m.paymentsUsed.Add(1) - 1
	return id, id <= m.payments.last
}

// putVarint writes a varint of a fixed length. Protobuf allows its leading zero groups.
func putVarint(at []byte, number int64) {
	for i := range varintBytes - 1 {
		at[i] = byte(number) | 0x80
		number >>= 7
	}
	at[varintBytes-1] = byte(number)
}

// putUUID writes a random UUID (RFC 9562, version 4).
func putUUID(at []byte) {
	var random [16]byte
	binary.NativeEndian.PutUint64(random[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(random[8:], rand.Uint64())
	random[6] = random[6]&0x0f | 0x40
	random[8] = random[8]&0x3f | 0x80
	hex.Encode(at[0:], random[0:4])
	hex.Encode(at[9:], random[4:6])
	hex.Encode(at[14:], random[6:8])
	hex.Encode(at[19:], random[8:10])
	hex.Encode(at[24:], random[10:16])
}
