package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	paymentsv1 "payments.internal/payments/v1"
)

// Placeholders of a template for the values that differ between calls. Each is as long as the value that replaces it.
const (
	requestIDPlaceholder       = "00000000-0000-4000-8000-000000000000"
	orderIDPlaceholder   int64 = 0x5_1234_5678
	paymentIDPlaceholder int64 = 0x6_1357_9BDF

	maxOrderID   = 1_000_000
	idBytes      = 5 // the length of a varint for ids below 2^35
	maxPaymentID = 1<<(7*idBytes) - 1
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

	payments         paymentRange
	usesPaymentsOnce bool
	paymentsUsed     atomic.Int64
}

// A paymentRange is a range of ids of existing payments, from first to last.
type paymentRange struct{ first, last int64 }

func (r paymentRange) size() int64 { return r.last - r.first + 1 }

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
		payments:         options.payments,
		usesPaymentsOnce: method.usesPaymentsOnce,
	}
	if len(m.paymentIDs) > 0 && (m.payments.first < 1 || m.payments.size() < 1 || m.payments.last > maxPaymentID) {
		return nil, fmt.Errorf("-payment-ids FIRST-LAST is required, from 1 to %d", maxPaymentID)
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
		putID(message[at:], 1+rand.Int64N(maxOrderID))
	}
	for _, at := range m.paymentIDs {
		id, ok := m.paymentID()
		if !ok {
			return buffer[:start], false
		}
		putID(message[at:], id)
	}
	return buffer, true
}

func (m *messages) paymentID() (int64, bool) {
	if !m.usesPaymentsOnce {
		return m.payments.first + rand.Int64N(m.payments.size()), true
	}
	id := m.payments.first + m.paymentsUsed.Add(1) - 1
	return id, id <= m.payments.last
}

// putID writes a varint of a fixed length. Protobuf allows its leading zero groups.
func putID(at []byte, id int64) {
	for i := range idBytes - 1 {
		at[i] = byte(id) | 0x80
		id >>= 7
	}
	at[idBytes-1] = byte(id)
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
