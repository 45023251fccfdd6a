// Command conformance runs the conformance cases with the Go client (see clients/conformance/README.md).
//
//	conformance cases TARGET CASES_FILE
//	conformance fake CASES_FILE
//	conformance charges TARGET FIRST COUNT
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"payments.internal/payments"
	"payments.internal/payments/paymentstest"
)

const (
	maxConcurrency = 8
	chargesTimeout = time.Minute
	usage          = "usage: conformance cases TARGET CASES_FILE | conformance fake CASES_FILE | " +
		"conformance charges TARGET FIRST COUNT"
)

func main() {
	failed, err := run(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || failed > 0 {
		os.Exit(1)
	}
}

// run runs a command and returns the number of failed cases.
func run(ctx context.Context, args []string) (int, error) {
	switch {
	case len(args) == 3 && args[0] == "cases":
		return runCases(ctx, args[1], args[2])
	case len(args) == 2 && args[0] == "fake":
		return runCasesWithFake(ctx, args[1])
	case len(args) == 4 && args[0] == "charges":
		first, firstErr := strconv.ParseInt(args[2], 10, 64)
		count, countErr := strconv.Atoi(args[3])
		if firstErr == nil && countErr == nil {
			return 0, runCharges(ctx, args[1], first, count)
		}
	}
	return 0, errors.New(usage)
}

func runCases(ctx context.Context, target, casesFile string) (int, error) {
	client, err := payments.New(ctx, target)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	return runCasesWith(ctx, client, casesFile)
}

func runCasesWithFake(ctx context.Context, casesFile string) (int, error) {
	service := paymentstest.NewService(paymentstest.WithAllowedCurrencies("INR", "JPY", "KWD", "CLF"))
	defer service.Close()
	client, err := service.NewClient(ctx)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	return runCasesWith(ctx, client, casesFile)
}

// runCasesWith runs all cases, prints each failure, and returns their number.
func runCasesWith(ctx context.Context, client *payments.Client, casesFile string) (int, error) {
	cases, err := readCases(casesFile)
	if err != nil {
		return 0, err
	}
	failed := 0
	for _, testCase := range cases {
		if err := newCaseRun(client).run(ctx, testCase); err != nil {
			failed++
			fmt.Println(err)
		}
	}
	fmt.Printf("%d passed, %d failed\n", len(cases)-failed, failed)
	return failed, nil
}

// runCharges charges count orders, eight concurrently, and prints the payment_ids.
func runCharges(ctx context.Context, target string, first int64, count int) error {
	client, err := payments.New(ctx, target, payments.WithTimeout(chargesTimeout))
	if err != nil {
		return err
	}
	defer client.Close()
	paymentIDs, errs := make([]int64, count), make([]error, count)
	var group sync.WaitGroup
	indexes := make(chan int)
	for range maxConcurrency {
		group.Go(func() {
			for index := range indexes {
				payment, err := client.Charge(ctx, payments.ChargeParams{
					OrderID: first + int64(index), Amount: decimal.RequireFromString("1.00"), Method: payments.MethodUPI,
				})
				if err != nil {
					errs[index] = err
					continue
				}
				paymentIDs[index] = payment.PaymentID
			}
		})
	}
	for index := range count {
		indexes <- index
	}
	close(indexes)
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(paymentIDs)
}
