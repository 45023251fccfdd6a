package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

const (
	handshakeTimeout = 5 * time.Second

	defaultWindowBytes = 65_535            // of a new connection or stream (RFC 9113)
	openWindowBytes    = math.MaxInt32     // so that the server never waits for this client
	refillBytes        = math.MaxInt32 / 2 // received on a connection before its window is enlarged again
	defaultFrameBytes  = 16_384            // the maximum that every server accepts
	readBufferBytes    = 64 << 10
)

var errGoAway = errors.New("the server closes the connection")

// A connection makes calls over HTTP/2, each on its own stream. One goroutine runs read, and one runs write.
type connection struct {
	socket   net.Conn
	incoming *bufio.Reader
	framer   *http2.Framer // reads from incoming, writes to outgoing
	headers  headerBlocks
	messages *messages
	// Called when there are no more messages.
	exhausted func()

	mutex    sync.Mutex
	wake     *sync.Cond   // of the writer
	outgoing bytes.Buffer // frames to write
	results  results

	// A closed loop starts a call whenever a slot is free. An open loop starts the calls that are due.
	closedLoop bool
	due        []time.Time
	stopped    bool  // make no more calls
	lost       error // why the connection is closed

	inFlight   map[uint32]time.Time // due times by stream
	freeSlots  int                  // how many more calls can be in flight
	nextStream uint32

	// The message that is being sent. Its rest waits until the server enlarges a window.
	message, rest    []byte
	restStream       uint32
	streamWindow     int64
	connectionWindow int64
	initialWindow    int64 // of a new stream
	maxFrameBytes    int
}

// dial connects to the server of a run, with slots for that many calls in flight.
func dial(options options, messages *messages, slots int) (*connection, error) {
	tcp, err := net.DialTimeout("tcp", options.target, handshakeTimeout)
	if err != nil {
		return nil, err
	}
	var socket net.Conn
	if socket, err = newSocket(tcp.(*net.TCPConn)); err != nil {
		tcp.Close()
		return nil, err
	}
	if options.authorities != nil {
		socket = tls.Client(socket, &tls.Config{
			ServerName: "localhost", RootCAs: options.authorities, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12,
		})
	}
	c := &connection{
		socket:           socket,
		incoming:         bufio.NewReaderSize(socket, readBufferBytes),
		messages:         messages,
		closedLoop:       options.callsPerSecond == 0,
		inFlight:         make(map[uint32]time.Time, slots),
		freeSlots:        slots,
		nextStream:       1,
		connectionWindow: defaultWindowBytes,
		initialWindow:    defaultWindowBytes,
		maxFrameBytes:    defaultFrameBytes,
	}
	c.wake = sync.NewCond(&c.mutex)
	c.framer = http2.NewFramer(&c.outgoing, c.incoming)
	c.framer.SetReuseFrames()
	if err := c.handshake(options, rpcs[options.rpc].path); err != nil {
		socket.Close()
		return nil, err
	}
	return c, nil
}

// handshake exchanges settings. The settings of the server determine how headers are encoded.
func (c *connection) handshake(options options, path string) error {
	c.socket.SetDeadline(time.Now().Add(handshakeTimeout))
	defer c.socket.SetDeadline(time.Time{})
	c.outgoing.WriteString(http2.ClientPreface)
	c.framer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: openWindowBytes},
	)
	c.framer.WriteWindowUpdate(0, openWindowBytes-defaultWindowBytes)
	if _, err := c.outgoing.WriteTo(c.socket); err != nil {
		return err
	}
	frame, err := c.framer.ReadFrame()
	if err != nil {
		return fmt.Errorf("no HTTP/2 at %s: %w", options.target, err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		return fmt.Errorf("no HTTP/2 at %s: the first frame is %v", options.target, frame)
	}
	if maxStreams, ok := settings.Value(http2.SettingMaxConcurrentStreams); ok && int64(maxStreams) < int64(c.freeSlots) {
		return fmt.Errorf("%s allows %d calls in flight per connection: use more -connections", options.target, maxStreams)
	}
	tableBytes, ok := settings.Value(http2.SettingHeaderTableSize)
	if !ok {
		tableBytes = hpackTableBytes
	}
	c.headers = newHeaderBlocks(options, path, tableBytes)
	c.applySettings(settings)
	return nil
}

// add makes a call due, in an open loop.
func (c *connection) add(due time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.lost != nil {
		c.results.record(due, time.Now(), connectionLost)
		return
	}
	c.due = append(c.due, due)
	c.wake.Signal()
}

// stop ends the load. The writer ends when all due calls have ended.
func (c *connection) stop() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.stopped = true
	c.wake.Signal()
}

// expire times out the calls that were due before the given time.
func (c *connection) expire(before time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for stream, due := range c.inFlight {
		if due.Before(before) {
			c.framer.WriteRSTStream(stream, http2.ErrCodeCancel)
			c.finish(stream, timedOut)
		}
	}
	for len(c.due) > 0 && c.due[0].Before(before) {
		c.results.record(c.due[0], time.Now(), timedOut)
		c.due = c.due[1:]
	}
	c.wake.Signal()
}

// fail closes the connection, and ends all its calls.
func (c *connection) fail(err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.lost != nil {
		return
	}
	c.lost = err
	for stream := range c.inFlight {
		c.finish(stream, connectionLost)
	}
	for _, due := range c.due {
		c.results.record(due, time.Now(), connectionLost)
	}
	c.due = nil
	c.socket.Close()
	c.wake.Signal()
}

// finish ends a call unless it has already ended. The caller holds the mutex.
func (c *connection) finish(stream uint32, outcome outcome) {
	due, ok := c.inFlight[stream]
	if !ok {
		return
	}
	delete(c.inFlight, stream)
	c.freeSlots++
	if stream == c.restStream {
		c.rest = nil
	}
	c.results.record(due, time.Now(), outcome)
}
