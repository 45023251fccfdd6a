// Command loader makes unary gRPC calls to a payment service and measures them.
//
// It shares a machine with what it measures, so it takes as little of the processor as it can: it speaks HTTP/2 itself,
// over TCP or TLS, with headers and messages that are encoded once, and sends and reads many calls at a time.
//
// It prints one JSON object, and exits with 1 when no call succeeded in the measured part.
package main

import (
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	// One thread at a time: threads that wake one another for a call or two take more time than they save.
	runtime.GOMAXPROCS(1)
	options := parse()
	report, err := run(options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	encoder := json.NewEncoder(os.Stdout)
	if err := encoder.Encode(report); err != nil || report.Calls == 0 {
		os.Exit(1)
	}
}

func parse() options {
	var options options
	names := strings.Join(slices.Sorted(maps.Keys(rpcs)), ", ")
	flag.StringVar(&options.target, "target", "127.0.0.1:50051", "`HOST:PORT` of the service")
	flag.StringVar(&options.rpc, "rpc", "charge", "what to call: "+names)
	flag.IntVar(&options.connections, "connections", 4, "how many connections")
	flag.IntVar(&options.inFlight, "in-flight", 64, "how many calls at a time, over all connections")
	seconds := flag.Float64("seconds", 6, "how long to measure")
	warmUp := flag.Float64("warm-up", 2, "how many seconds to make calls before that")
	flag.IntVar(&options.callsPerSecond, "rate", 0, "calls a second, due at even spacing; 0: the next when one ends")
	payments := flag.String("payment-ids", "", "`FIRST-LAST` ids of payments, for refund and get")
	flag.IntVar(&options.pageSize, "page-size", 50, "payments of a page, for list")
	flag.IntVar(&options.batchSize, "batch-size", 1000, "charges of a call, for batch_charge")
	flag.DurationVar(&options.timeout, "timeout", 10*time.Second, "when to give a call up")
	authorities := flag.String("ca", "", "call over TLS, with a certificate for localhost by the authorities in this `FILE`")
	keyFile := flag.String("api-key-file", "", "send the API key in this `FILE`")
	flag.Parse()
	options.measured = time.Duration(*seconds * float64(time.Second))
	options.warmUp = time.Duration(*warmUp * float64(time.Second))
	if *authorities != "" {
		options.authorities = x509.NewCertPool()
		if !options.authorities.AppendCertsFromPEM(read(*authorities)) {
			fmt.Fprintln(os.Stderr, "-ca must have certificates in PEM")
			os.Exit(2)
		}
	}
	if *keyFile != "" {
		options.apiKey = strings.TrimSpace(string(read(*keyFile)))
	}
	if *payments != "" {
		if _, err := fmt.Sscanf(*payments, "%d-%d", &options.payments.first, &options.payments.last); err != nil {
			fmt.Fprintln(os.Stderr, "-payment-ids must be FIRST-LAST")
			os.Exit(2)
		}
	}
	return options
}

func read(path string) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return content
}
