package main

import (
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A pacer makes calls due at even intervals. It reads a kernel timer (Linux's timerfd), which is exact to a few
// microseconds. Go's time.Sleep can oversleep by a millisecond, which would count as latency of the server.
type pacer struct {
	timer    *os.File
	reader   transfer
	interval time.Duration
	next     time.Time
}

func newPacer(callsPerSecond int) (*pacer, error) {
	descriptor, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	p := &pacer{
		timer:    os.NewFile(uintptr(descriptor), "timer"),
		interval: time.Second / time.Duration(callsPerSecond),
	}
	raw, err := p.timer.SyscallConn()
	if err != nil {
		p.close()
		return nil, err
	}
	p.reader.init(unix.SYS_READ, raw.Read)
	every := unix.NsecToTimespec(p.interval.Nanoseconds())
	p.next = time.Now().Add(p.interval)
	if err := unix.TimerfdSettime(descriptor, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// wait blocks until one or more calls are due, and returns their due times.
func (p *pacer) wait(due []time.Time) ([]time.Time, error) {
	var expirations [8]byte
	if _, err := p.reader.do(expirations[:]); err != nil {
		return due, err
	}
	for range binary.NativeEndian.Uint64(expirations[:]) {
		due = append(due, p.next)
		p.next = p.next.Add(p.interval)
	}
	return due, nil
}

func (p *pacer) close() { p.timer.Close() }
