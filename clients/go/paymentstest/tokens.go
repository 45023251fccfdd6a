package paymentstest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"google.golang.org/protobuf/proto"
)

const (
	positionBytes = 8
	checksumBytes = 10
)

// tokenKind says what a token continues. A token of one kind is not valid as another.
type tokenKind string

const (
	paymentsToken tokenKind = "payments"
	refundsToken  tokenKind = "refunds"
	eventsToken   tokenKind = "events"
	resumeToken   tokenKind = "resume"
)

// encode returns the opaque token of a position. It is valid only for an equal request, or for any if that is nil.
func (kind tokenKind) encode(position int64, request proto.Message) string {
	content := binary.BigEndian.AppendUint64(nil, uint64(position))
	return base64.RawURLEncoding.EncodeToString(append(content, kind.checksum(content, request)...))
}

// decode returns the position of a token, and whether the token is unaltered and valid for the request.
func (kind tokenKind) decode(token string, request proto.Message) (position int64, isValid bool) {
	content, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(content) != positionBytes+checksumBytes {
		return 0, false
	}
	position = int64(binary.BigEndian.Uint64(content))
	return position, position >= 0 && kind.encode(position, request) == token
}

func (kind tokenKind) checksum(content []byte, request proto.Message) []byte {
	hash := sha256.New()
	hash.Write([]byte(kind))
	hash.Write(content)
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		panic(err) // A request that was received can be encoded.
	}
	hash.Write(encoded)
	return hash.Sum(nil)[:checksumBytes]
}
