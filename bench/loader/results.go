package main

import (
	"math"
	"slices"
	"time"
)

// results are the calls of the measured period. In a closed loop, those are the calls that end in it. In an open loop,
// they are the calls that are due in it, so that slow calls that end later count too.
type results struct {
	openLoop  bool
	from, to  time.Time
	latencies []time.Duration // of successful calls, from their due times
	errors    map[outcome]int
	lastEnd   time.Time
}

func newResults(options options, from time.Time) results {
	return results{
		openLoop: options.callsPerSecond > 0,
		from:     from,
		to:       from.Add(options.measured),
		errors:   make(map[outcome]int),
	}
}

func (r *results) record(due, end time.Time, outcome outcome) {
	moment := end
	if r.openLoop {
		moment = due
	}
	if moment.Before(r.from) || !moment.Before(r.to) {
		return
	}
	if outcome == succeeded {
		r.latencies = append(r.latencies, end.Sub(due))
	} else {
		r.errors[outcome]++
	}
	if end.After(r.lastEnd) {
		r.lastEnd = end
	}
}

// merge adds the results of another connection in the same period.
func (r *results) merge(other results) {
	r.latencies = append(r.latencies, other.latencies...)
	for outcome, count := range other.errors {
		r.errors[outcome] += count
	}
	if other.lastEnd.After(r.lastEnd) {
		r.lastEnd = other.lastEnd
	}
}

// A report is the output of the program. Calls counts successful calls; all others are errors.
type report struct {
	Calls              int            `json:"calls"`
	Seconds            float64        `json:"seconds"`
	CallsPerSecond     float64        `json:"calls_per_second"`
	Errors             map[string]int `json:"errors"`
	LatencyMs          latency        `json:"latency_ms"`
	LoaderCPUUsPerCall float64        `json:"loader_cpu_us_per_call"`
}

// latency has the latencies of successful calls in milliseconds.
type latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
	Mean float64 `json:"mean"`
}

func newReport(results results, measured, cpu time.Duration) report {
	created := report{
		Calls:     len(results.latencies),
		Seconds:   rounded(measured.Seconds(), 3),
		Errors:    make(map[string]int),
		LatencyMs: newLatency(results.latencies),
	}
	ended := created.Calls
	for outcome, count := range results.errors {
		created.Errors[outcome.String()] = count
		ended += count
	}
	if measured > 0 {
		created.CallsPerSecond = rounded(float64(created.Calls)/measured.Seconds(), 1)
	}
	if ended > 0 {
		created.LoaderCPUUsPerCall = rounded(float64(cpu.Microseconds())/float64(ended), 2)
	}
	return created
}

func newLatency(latencies []time.Duration) latency {
	if len(latencies) == 0 {
		return latency{}
	}
	sorted := slices.Sorted(slices.Values(latencies))
	// Use the nearest rank, which is an observed value without interpolation.
	quantile := func(share float64) float64 {
		rank := int(math.Ceil(share * float64(len(sorted))))
		return milliseconds(sorted[max(rank, 1)-1])
	}
	var sum time.Duration
	for _, d := range sorted {
		sum += d
	}
	return latency{
		P50:  quantile(0.5),
		P90:  quantile(0.9),
		P99:  quantile(0.99),
		P999: quantile(0.999),
		Max:  quantile(1),
		Mean: milliseconds(sum / time.Duration(len(sorted))),
	}
}

func milliseconds(d time.Duration) float64 { return rounded(float64(d.Nanoseconds())/1e6, 3) }

func rounded(value float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(value*scale) / scale
}
