package main

import (
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/code"
)

// An outcome is the grpc-status of a call, or one of the constants below.
type outcome int

const (
	succeeded outcome = 0

	noStatus outcome = -1 - iota
	streamReset
	connectionLost
	timedOut
)

var transportErrors = map[outcome]string{
	noStatus:       "transport: no grpc-status",
	streamReset:    "transport: stream reset",
	connectionLost: "transport: connection lost",
	timedOut:       "transport: timeout",
}

// String returns the name of the status, as in google.rpc.Code, or of the transport error.
func (o outcome) String() string {
	if name, ok := transportErrors[o]; ok {
		return name
	}
	if name, ok := code.Code_name[int32(o)]; ok {
		return name
	}
	return fmt.Sprintf("status %d", int(o))
}
