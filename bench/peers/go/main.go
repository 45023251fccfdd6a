// Command go is an idiomatic payment service in Go: grpc-go, database/sql, and one prepared INSERT per charge, on the
// tables of this project. The benchmark compares this project's server with it.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/reflection"

	paymentsv1 "payments.internal/payments/v1"
)

// One goroutine for each call in flight of a benchmark. Long-lived goroutines, whose stacks have already grown, make
// about 10 % more charges per second than a new goroutine for each call.
const streamWorkers = 64

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve accepts calls until SIGTERM, and then completes those in flight.
func serve() error {
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	settings, err := readSettings()
	if err != nil {
		return err
	}
	store, err := openStore(stopped, settings)
	if err != nil {
		return err
	}
	defer store.close()
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", settings.grpcPort))
	if err != nil {
		return err
	}
	options := []grpc.ServerOption{grpc.NumStreamWorkers(streamWorkers)}
	if settings.tlsCertFile != "" {
		encrypted, err := credentials.NewServerTLSFromFile(settings.tlsCertFile, settings.tlsKeyFile)
		if err != nil {
			return err
		}
		options = append(options, grpc.Creds(encrypted))
	}
	server := grpc.NewServer(options...)
	paymentsv1.RegisterPaymentServiceServer(server, &service{
		store:     store,
		processor: processor{successProbability: settings.successProbability},
	})
	reflection.Register(server)
	fmt.Println("listening", listener.Addr())
	go func() {
		<-stopped.Done()
		server.GracefulStop()
	}()
	return server.Serve(listener)
}
