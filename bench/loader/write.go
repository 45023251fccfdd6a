package main

import (
	"errors"
	"time"

	"golang.org/x/net/http2"
)

var errDone = errors.New("all calls have been made")

// write sends calls until there are no more and all have ended, and then closes the connection. It sends all available
// frames in one write.
func (c *connection) write() {
	var batch []byte
	for {
		c.mutex.Lock()
		for !c.writeFrames() && !c.done() {
			c.wake.Wait()
		}
		batch = append(batch[:0], c.outgoing.Bytes()...)
		c.outgoing.Reset()
		done := c.done()
		c.mutex.Unlock()
		if _, err := c.socket.Write(batch); err != nil {
			c.fail(err)
		}
		if done {
			c.fail(errDone)
			return
		}
	}
}

// done reports whether all calls have ended and no more are to be made. The caller holds the mutex.
func (c *connection) done() bool {
	return c.lost != nil || c.stopped && len(c.due) == 0 && len(c.inFlight) == 0
}

// writeFrames encodes all calls that can be sent, and reports whether there are any frames. The caller holds the mutex.
func (c *connection) writeFrames() bool {
	c.writeRest()
	for len(c.rest) == 0 && c.freeSlots > 0 && c.lost == nil {
		due, ok := c.takeDue()
		if !ok {
			break
		}
		message, ok := c.messages.appendNext(c.message[:0])
		if !ok {
			c.stopped = true
			c.due = nil
			c.exhausted()
			break
		}
		c.begin(due, message)
		c.writeRest()
	}
	return c.outgoing.Len() > 0
}

// takeDue returns the due time of the next call, or false if no call is due. The caller holds the mutex.
func (c *connection) takeDue() (time.Time, bool) {
	if c.closedLoop {
		return time.Now(), !c.stopped
	}
	if len(c.due) == 0 {
		return time.Time{}, false
	}
	due := c.due[0]
	c.due = c.due[1:]
	return due, true
}

// begin writes the headers of a call.
func (c *connection) begin(due time.Time, message []byte) {
	stream := c.nextStream
	c.nextStream += 2
	c.inFlight[stream] = due
	c.freeSlots--
	headers := c.headers.later
	if stream == 1 {
		headers = c.headers.first
	}
	c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: headers, EndHeaders: true})
	c.message, c.rest, c.restStream, c.streamWindow = message, message, stream, c.initialWindow
}

// writeRest writes as many frames of the current message as the server's windows allow.
func (c *connection) writeRest() {
	for len(c.rest) > 0 {
		length := min(int64(len(c.rest)), int64(c.maxFrameBytes), c.streamWindow, c.connectionWindow)
		if length <= 0 {
			return
		}
		part := c.rest[:length]
		c.rest = c.rest[length:]
		c.streamWindow -= length
		c.connectionWindow -= length
		c.framer.WriteData(c.restStream, len(c.rest) == 0, part)
	}
}
