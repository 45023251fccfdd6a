package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"payments.internal/payments"
)

// expectedError is the error that a step expects. A member that is not set matches anything.
type expectedError struct {
	Type         string      `json:"type"`
	Code         *codes.Code `json:"code"`
	Reason       *string     `json:"reason"`
	Violations   []string    `json:"violations"`
	HasRequestID bool        `json:"has_request_id"`
	// PaymentID is a number, or an object that stands for one.
	PaymentID any `json:"payment_id"`
}

func (r *caseRun) checkError(expected expectedError, err error) error {
	var pending *payments.OrderHasPendingPaymentError
	if expected.PaymentID != nil {
		if !errors.As(err, &pending) {
			return fmt.Errorf("the error has no payment_id (%w)", err)
		}
		if mismatch := r.match(expected.PaymentID, integerJSON(pending.PaymentID), "payment_id"); mismatch != nil {
			return fmt.Errorf("the error's %w (%w)", mismatch, err)
		}
	}
	return expected.check(err)
}

func (e *expectedError) check(err error) error {
	var actual *payments.CallError
	if !errors.As(err, &actual) {
		return fmt.Errorf("the error is not a CallError: %w", err)
	}
	name := strings.TrimSuffix(reflect.TypeOf(err).Elem().Name(), "Error")
	switch {
	case e.Type != "" && !strings.EqualFold(name, strings.TrimSuffix(e.Type, "Error")): // because Go spells ID, not Id
		return fmt.Errorf("the error's type is %s, expected: %s (%w)", name, e.Type, err)
	case e.Code != nil && actual.Code != *e.Code:
		return fmt.Errorf("the error's code is %s, expected: %s (%w)", actual.Code, *e.Code, err)
	case e.Reason != nil && actual.Reason != *e.Reason:
		return fmt.Errorf("the error's reason is %s, expected: %s (%w)", actual.Reason, *e.Reason, err)
	case e.HasRequestID && actual.RequestID == "":
		return fmt.Errorf("the error has no request_id (%w)", err)
	}
	return e.checkViolations(err)
}

func (e *expectedError) checkViolations(err error) error {
	var invalid *payments.InvalidRequestError
	var fields []string
	if errors.As(err, &invalid) {
		for _, violation := range invalid.Violations {
			fields = append(fields, violation.Field)
		}
	}
	for _, field := range e.Violations {
		if !slices.Contains(fields, field) {
			return fmt.Errorf("the invalid fields are %v, expected: %s (%w)", fields, field, err)
		}
	}
	return nil
}
