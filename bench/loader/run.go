package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

const expiryInterval = 50 * time.Millisecond

// options are the parameters of a run.
type options struct {
	target         string // host:port
	rpc            string // a key of rpcs
	connections    int
	inFlight       int // calls, over all connections
	measured       time.Duration
	warmUp         time.Duration // before the measured period
	callsPerSecond int           // of an open loop; 0 for a closed loop
	payments       numberRange   // ids
	createTimes    numberRange   // of payments, in seconds since 1970
	pageSize       int
	batchSize      int
	timeout        time.Duration  // of a call
	authorities    *x509.CertPool // verify the certificate of the service; nil: no TLS
	apiKey         string         // sent with each call; empty: none
}

func (o options) check() error {
	switch {
	case rpcs[o.rpc].path == "":
		return fmt.Errorf("-rpc %q is unknown", o.rpc)
	case o.connections < 1 || o.inFlight < o.connections:
		return errors.New("-connections must be at least 1, and -in-flight at least -connections")
	case o.measured <= 0 || o.warmUp < 0 || o.timeout <= 0:
		return errors.New("-seconds and -timeout must be more than 0, and -warm-up 0 or more")
	case o.callsPerSecond < 0 || o.callsPerSecond > 1_000_000:
		return errors.New("-rate must be 0 to 1000000")
	}
	return nil
}

// run makes calls according to the options, and reports those of the measured period.
//
// In a closed loop, the next call starts when a call ends, and the measured period has the requested duration. In an
// open loop, calls are due at even intervals, independent of the server. A call without a free slot waits, and its
// latency includes the wait. The measured period ends with the last call. A run of refunds ends when each payment has
// been refunded.
func run(options options) (report, error) {
	if err := options.check(); err != nil {
		return report{}, err
	}
	messages, err := newMessages(rpcs[options.rpc], options)
	if err != nil {
		return report{}, err
	}
	connections, err := dialAll(options, messages)
	if err != nil {
		return report{}, err
	}
	from := time.Now().Add(options.warmUp)
	to := from.Add(options.measured)
	exhausted := make(chan struct{})
	onceExhausted := sync.OnceFunc(func() { close(exhausted) })
	for _, c := range connections {
		c.results = newResults(options, from)
		c.exhausted = onceExhausted
	}
	endPacing := func(bool) {}
	if options.callsPerSecond > 0 {
		pacer, err := newPacer(options.callsPerSecond)
		if err != nil {
			closeAll(connections)
			return report{}, err
		}
		paced := pace(connections, pacer, to)
		endPacing = func(early bool) {
			if early {
				pacer.close()
			}
			<-paced
		}
	}
	ended := start(connections, options.timeout)

	early := false
	wait := func(until time.Time) {
		select {
		case <-time.After(time.Until(until)):
		case <-exhausted:
			early = true
		case <-ended:
			early = true
		}
	}
	wait(from)
	cpuBefore := cpuTime()
	wait(to)
	cpu := cpuTime() - cpuBefore
	endPacing(early)
	for _, c := range connections {
		c.stop()
	}
	<-ended

	total := newResults(options, from)
	for _, c := range connections {
		total.merge(c.results)
	}
	measured := options.measured
	if early || total.openLoop && total.lastEnd.After(to) {
		measured = max(0, total.lastEnd.Sub(from))
	}
	if total.openLoop {
		cpu = cpuTime() - cpuBefore
	}
	return newReport(total, measured, cpu), nil
}

func dialAll(options options, messages *messages) ([]*connection, error) {
	var connections []*connection
	for i := range options.connections {
		slots := options.inFlight / options.connections
		if i < options.inFlight%options.connections {
			slots++
		}
		c, err := dial(options, messages, slots)
		if err != nil {
			closeAll(connections)
			return nil, err
		}
		connections = append(connections, c)
	}
	return connections, nil
}

func closeAll(connections []*connection) {
	for _, c := range connections {
		c.socket.Close()
	}
}

// start makes calls on the connections, and returns a channel that is closed when all connections have finished.
func start(connections []*connection, timeout time.Duration) <-chan struct{} {
	var working sync.WaitGroup
	for _, c := range connections {
		working.Go(c.write)
		working.Go(c.read)
	}
	ended := make(chan struct{})
	go func() {
		working.Wait()
		close(ended)
	}()
	go func() {
		ticker := time.NewTicker(expiryInterval)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				for _, c := range connections {
					c.expire(now.Add(-timeout))
				}
			case <-ended:
				return
			}
		}
	}()
	return ended
}

// pace makes calls due until the given time, on the connections in turn, and returns a channel that is closed afterwards.
func pace(connections []*connection, pacer *pacer, until time.Time) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer pacer.close()
		var due []time.Time
		for turn := 0; ; {
			var err error
			if due, err = pacer.wait(due[:0]); err != nil {
				return
			}
			for _, moment := range due {
				if !moment.Before(until) {
					return
				}
				connections[turn%len(connections)].add(moment)
				turn++
			}
		}
	}()
	return done
}

// cpuTime returns the processor time that this process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // it cannot fail with these arguments
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
