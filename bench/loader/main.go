// Command loader makes unary gRPC calls to a payment service and measures them.
//
// It shares a machine with the service, so it uses as little CPU time as possible: it implements HTTP/2 itself, over TCP
// or TLS, encodes headers and messages once, and sends and reads many calls at a time.
//
// It prints one JSON object, and exits with 1 if no call succeeded in the measured period.
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
	// Use one thread, because threads that wake one another for a few calls cost more time than they save.
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
	flag.StringVar(&options.rpc, "rpc", "charge", "RPC to call: "+names)
	flag.IntVar(&options.connections, "connections", 4, "number of connections")
	flag.IntVar(&options.inFlight, "in-flight", 64, "calls in flight over all connections")
	seconds := flag.Float64("seconds", 6, "duration of the measured period")
	warmUp := flag.Float64("warm-up", 2, "seconds of calls before the measured period")
	flag.IntVar(&options.callsPerSecond, "rate", 0, "calls per second at even intervals; 0: start a call when another ends")
	flag.Var(&options.payments, "payment-ids", "`FIRST-LAST` ids of payments, for refund and get")
	flag.Var(&options.createTimes, "create-times", "`FIRST-LAST` times of payments in seconds since 1970, for list_random_page")
	flag.IntVar(&options.pageSize, "page-size", 50, "payments per page, for list")
	flag.IntVar(&options.batchSize, "batch-size", 1000, "charges per call, for batch_charge")
	flag.DurationVar(&options.timeout, "timeout", 10*time.Second, "time limit of a call")
	authorities := flag.String("ca", "", "call over TLS, and verify the certificate for localhost with the authorities in `FILE`")
	keyFile := flag.String("api-key-file", "", "send the API key in `FILE`")
	flag.Parse()
	options.measured = time.Duration(*seconds * float64(time.Second))
	options.warmUp = time.Duration(*warmUp * float64(time.Second))
	if *authorities != "" {
		options.authorities = x509.NewCertPool()
		if !options.authorities.AppendCertsFromPEM(read(*authorities)) {
			fmt.Fprintln(os.Stderr, "-ca must be a file of PEM certificates")
			os.Exit(2)
		}
	}
	if *keyFile != "" {
		options.apiKey = strings.TrimSpace(string(read(*keyFile)))
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
