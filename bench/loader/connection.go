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
	openWindowBytes    = math.MaxInt32     // so that the server never waits for this side
	refillBytes        = math.MaxInt32 / 2 // read from a connection before its window is opened again
	defaultFrameBytes  = 16_384            // the longest that every server takes
	readBufferBytes    = 64 << 10
)

var errGoAway = errors.New("the server closes the connection")

// A connection makes calls over HTTP/2, each on a stream of its own. One goroutine runs read, and one runs write.
type connection struct {
	socket   net.Conn
	incoming *bufio.Reader
	framer   *http2.Framer // reads from incoming, writes to outgoing
	headers  headerBlocks
	messages *messages
	// Called when the messages have come to their end.
	exhausted func()

	mutex    sync.Mutex
	wake     *sync.Cond   // of the writer
	outgoing bytes.Buffer // frames to be written
	results  results

	// The calls that are to be made: as many as there is room for in a closed loop, else those that are due.
	closedLoop bool
	due        []time.Time
	stopped    bool  // no more are to be made
	lost       error // why the connection is of no more use

	inFlight   map[uint32]time.Time // by stream: when the call was due
	room       int                  // how many more may be in flight
	nextStream uint32

	// The message that is being sent: the rest of it waits for the server to open a window.
	message, rest    []byte
	restStream       uint32
	streamWindow     int64
	connectionWindow int64
	initialWindow    int64 // of a new stream
	maxFrameBytes    int
}

// dial connects to the server of a run, for as many calls in flight as room says.
func dial(options options, messages *messages, room int) (*connection, error) {
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
		inFlight:         make(map[uint32]time.Time, room),
		room:             room,
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

// handshake exchanges settings: those of the server decide how headers are encoded.
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
		return fmt.Errorf("no HTTP/2 at %s: it begins with %v", options.target, frame)
	}
	if most, ok := settings.Value(http2.SettingMaxConcurrentStreams); ok && int64(most) < int64(c.room) {
		return fmt.Errorf("%s takes %d calls in flight on a connection: more -connections are needed", options.target, most)
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

// stop makes no more calls due. The writer ends when those that were are answered.
func (c *connection) stop() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.stopped = true
	c.wake.Signal()
}

// expire gives up the calls that were due before a moment.
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

// fail ends the connection, and with it all its calls.
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

// finish ends a call, unless it has ended before. The mutex is held.
func (c *connection) finish(stream uint32, outcome outcome) {
	due, ok := c.inFlight[stream]
	if !ok {
		return
	}
	delete(c.inFlight, stream)
	c.room++
	if stream == c.restStream {
		c.rest = nil
	}
	c.results.record(due, time.Now(), outcome)
}
