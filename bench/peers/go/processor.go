package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	chance "math/rand/v2"
	"strings"
	"time"
)

var chargeableMethods = []string{"UPI", "CARD", "COD"}

// A processor is a simulated processor that decides randomly and immediately.
type processor struct{ successProbability float64 }

// decide picks a method if the caller requested none, and returns whether the charge succeeds.
func (p processor) decide(charge newCharge) (method string, succeeded bool) {
	method = charge.requestedMethod.String
	if !charge.requestedMethod.Valid {
		method = chargeableMethods[chance.IntN(len(chargeableMethods))]
	}
	return method, chance.Float64() < p.successProbability
}

// newReference creates the readable name of a payment, with 80 random bits.
func newReference(createTime time.Time) string {
	return fmt.Sprintf("ECI%s-%s", createTime.Format("20060102"), strings.ToUpper(randomHex(10)))
}

// randomHex returns the given number of random bytes as hexadecimal digits.
func randomHex(bytes int) string {
	random := make([]byte, bytes)
	rand.Read(random) // it never fails
	return hex.EncodeToString(random)
}
