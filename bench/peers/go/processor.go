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

// A processor is simulated: it decides by chance, at once.
type processor struct{ successProbability float64 }

// decide picks the method, where the caller named none, and tells whether the charge succeeded.
func (p processor) decide(charge newCharge) (method string, succeeded bool) {
	method = charge.requestedMethod.String
	if !charge.requestedMethod.Valid {
		method = chargeableMethods[chance.IntN(len(chargeableMethods))]
	}
	return method, chance.Float64() < p.successProbability
}

// newReference makes the name of a payment for people, with 80 random bits.
func newReference(createTime time.Time) string {
	return fmt.Sprintf("ECI%s-%s", createTime.Format("20060102"), strings.ToUpper(randomHex(10)))
}

// randomHex returns twice as many random hexadecimal digits as bytes.
func randomHex(bytes int) string {
	random := make([]byte, bytes)
	rand.Read(random) // it never fails
	return hex.EncodeToString(random)
}
