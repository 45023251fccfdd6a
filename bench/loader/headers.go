package main

import (
	"bytes"
	"strconv"

	"golang.org/x/net/http2/hpack"
)

const hpackTableBytes = 4096 // the default of both sides (RFC 7541)

// headerBlocks are the headers of calls, encoded once. The first call of a connection adds them to the server's table,
// and later calls refer to their entries.
type headerBlocks struct {
	first, later []byte
}

// newHeaderBlocks encodes the headers of an RPC for a server whose table holds tableBytes.
func newHeaderBlocks(options options, path string, tableBytes uint32) headerBlocks {
	scheme := "http"
	if options.authorities != nil {
		scheme = "https"
	}
	fields := []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: scheme},
		{Name: ":path", Value: path},
		{Name: ":authority", Value: options.target},
		{Name: "te", Value: "trailers"},
		{Name: "content-type", Value: "application/grpc"},
	}
	if options.apiKey != "" {
		fields = append(fields, hpack.HeaderField{Name: "authorization", Value: "Bearer " + options.apiKey})
	}
	if tableBytes < hpackTableBytes {
		// A table that is too small for all headers would change with each call. Without a table, they are sent in full.
		tableBytes = 0
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSizeLimit(tableBytes)
	encode := func() []byte {
		block.Reset()
		for _, field := range fields {
			if err := encoder.WriteField(field); err != nil {
				panic(err) // a bytes.Buffer never fails
			}
		}
		return bytes.Clone(block.Bytes())
	}
	return headerBlocks{first: encode(), later: encode()}
}

// A statusReader decodes all headers of a connection, because their compression is stateful, and stores the grpc-status.
type statusReader struct {
	decoder *hpack.Decoder
	status  outcome
}

func newStatusReader() *statusReader {
	r := &statusReader{status: noStatus}
	r.decoder = hpack.NewDecoder(hpackTableBytes, func(field hpack.HeaderField) {
		if field.Name != "grpc-status" {
			return
		}
		if number, err := strconv.Atoi(field.Value); err == nil {
			r.status = outcome(number)
		}
	})
	return r
}

// read decodes a fragment of a header block.
func (r *statusReader) read(fragment []byte) error {
	_, err := r.decoder.Write(fragment)
	return err
}

// end returns the grpc-status of the block that was read, or noStatus if it has none.
func (r *statusReader) end() (outcome, error) {
	status := r.status
	r.status = noStatus
	return status, r.decoder.Close()
}
