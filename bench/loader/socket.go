package main

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// A socket reads and writes a TCP connection without notifying Go's scheduler of each system call, because none of them
// blocks. A notification wakes a thread that watches for long system calls, which doubles the work of a call. One
// goroutine may read while another writes.
type socket struct {
	*net.TCPConn
	reader, writer transfer
}

func newSocket(connection *net.TCPConn) (*socket, error) {
	raw, err := connection.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{TCPConn: connection}
	s.reader.init(syscall.SYS_READ, raw.Read)
	s.writer.init(syscall.SYS_WRITE, raw.Write)
	return s, nil
}

func (s *socket) Read(buffer []byte) (int, error) {
	n, err := s.reader.do(buffer)
	if n == 0 && err == nil && len(buffer) > 0 {
		return 0, io.EOF
	}
	return n, err
}

func (s *socket) Write(buffer []byte) (int, error) {
	for written := 0; written < len(buffer); {
		n, err := s.writer.do(buffer[written:])
		if err != nil {
			return written, err
		}
		written += n
	}
	return len(buffer), nil
}

// A transfer reads or writes with one system call, which it retries when the connection is ready.
type transfer struct {
	whenReady func(func(descriptor uintptr) bool) error
	try       func(descriptor uintptr) bool

	buffer []byte
	n      int
	errno  syscall.Errno
}

func (t *transfer) init(call uintptr, whenReady func(func(descriptor uintptr) bool) error) {
	t.whenReady = whenReady
	t.try = func(descriptor uintptr) bool {
		for {
			n, _, errno := syscall.RawSyscall(call, descriptor,
				uintptr(unsafe.Pointer(unsafe.SliceData(t.buffer))), uintptr(len(t.buffer)))
			t.n, t.errno = int(n), errno
			if errno != syscall.EINTR {
				return errno != syscall.EAGAIN
			}
		}
	}
}

func (t *transfer) do(buffer []byte) (int, error) {
	t.buffer = buffer
	if err := t.whenReady(t.try); err != nil {
		return 0, err
	}
	if t.errno != 0 {
		return 0, os.NewSyscallError("transfer", t.errno)
	}
	return t.n, nil
}
