package main

import (
	"golang.org/x/net/http2"
)

// read processes frames of the server until the connection ends.
func (c *connection) read() { c.fail(c.readFrames()) }

func (c *connection) readFrames() error {
	var (
		status       = newStatusReader()
		lastHeaders  bool // whether the headers that are being read end the call
		unaccounted  int  // received bytes that were not yet returned to the connection's window
		endOfHeaders = func(stream uint32) error {
			outcome, err := status.end()
			if lastHeaders {
				c.end(stream, outcome)
			}
			return err
		}
	)
	for {
		if c.incoming.Buffered() == 0 {
			// Wake the writer only now, so that it sends all calls that have a free slot together.
			c.wake.Signal()
		}
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.HeadersFrame:
			lastHeaders = frame.StreamEnded()
			if err := status.read(frame.HeaderBlockFragment()); err != nil {
				return err
			}
			if frame.HeadersEnded() {
				err = endOfHeaders(frame.StreamID)
			}
		case *http2.ContinuationFrame:
			if err := status.read(frame.HeaderBlockFragment()); err != nil {
				return err
			}
			if frame.HeadersEnded() {
				err = endOfHeaders(frame.StreamID)
			}
		case *http2.DataFrame:
			if unaccounted += int(frame.Length); unaccounted >= refillBytes {
				c.control(func() { c.framer.WriteWindowUpdate(0, uint32(unaccounted)) })
				unaccounted = 0
			}
			if frame.StreamEnded() {
				c.end(frame.StreamID, noStatus)
			}
		case *http2.RSTStreamFrame:
			c.end(frame.StreamID, streamReset)
		case *http2.WindowUpdateFrame:
			c.control(func() { c.openWindow(frame.StreamID, int64(frame.Increment)) })
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				c.control(func() { c.applySettings(frame) })
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				c.control(func() { c.framer.WritePing(true, frame.Data) })
			}
		case *http2.GoAwayFrame:
			return errGoAway
		}
		if err != nil {
			return err
		}
	}
}

func (c *connection) end(stream uint32, outcome outcome) {
	c.mutex.Lock()
	c.finish(stream, outcome)
	c.mutex.Unlock()
}

// control applies a control frame while it holds the mutex.
func (c *connection) control(apply func()) {
	c.mutex.Lock()
	apply()
	c.mutex.Unlock()
}

func (c *connection) openWindow(stream uint32, bytes int64) {
	switch stream {
	case 0:
		c.connectionWindow += bytes
	case c.restStream:
		c.streamWindow += bytes
	}
}

func (c *connection) applySettings(settings *http2.SettingsFrame) {
	if window, ok := settings.Value(http2.SettingInitialWindowSize); ok {
		c.streamWindow += int64(window) - c.initialWindow
		c.initialWindow = int64(window)
	}
	if bytes, ok := settings.Value(http2.SettingMaxFrameSize); ok {
		c.maxFrameBytes = int(bytes)
	}
	c.framer.WriteSettingsAck()
}
