package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
)

// A position in a list is the point after the payment with this time and id.
type position struct {
	hasTime      bool
	microseconds int64 // since 1970
	paymentID    int64
}

func positionOf(p payment) position {
	if !p.createTime.Valid {
		return position{paymentID: p.id}
	}
	return position{true, p.createTime.Time.UnixMicro(), p.id}
}

func (p position) createTime() time.Time { return time.UnixMicro(p.microseconds).UTC() }

const (
	positionBytes = 17
	checksumBytes = 12
)

// pageToken encodes the position of the next page, and a checksum over the position, the filter and the order.
func pageToken(at position, query pageQuery) (string, error) {
	token := []byte{flag(at.hasTime)}
	token = binary.BigEndian.AppendUint64(token, uint64(at.microseconds))
	token = binary.BigEndian.AppendUint64(token, uint64(at.paymentID))
	signed := append(slices.Clone(token), flag(query.oldestFirst))
	signed, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(signed, query.filter)
	if err != nil {
		return "", err
	}
	checksum := sha256.Sum256(signed)
	return base64.RawURLEncoding.EncodeToString(append(token, checksum[:checksumBytes]...)), nil
}

// readPageToken returns the position in the page token of a query, or nil if the token is empty.
func readPageToken(query pageQuery) (*position, error) {
	if query.token == "" {
		return nil, nil
	}
	decoded, err := base64.RawURLEncoding.DecodeString(query.token)
	if err == nil && len(decoded) == positionBytes+checksumBytes {
		at := position{
			hasTime:      decoded[0] == 1,
			microseconds: int64(binary.BigEndian.Uint64(decoded[1:])),
			paymentID:    int64(binary.BigEndian.Uint64(decoded[9:])),
		}
		if expected, err := pageToken(at, query); err == nil && expected == query.token {
			return &at, nil
		}
	}
	return nil, invalid("page_token", "must be an unaltered next_page_token for the same filter and order_by")
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}
