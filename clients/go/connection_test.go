package payments_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"payments.internal/payments"
)

func TestCallsAreSpreadOverAllAddressesOfTheTarget(t *testing.T) {
	first, second := serve(t, succeed), serve(t, succeed)
	client := connect(t, "ipv4:"+first.target+","+second.target)
	for began := time.Now(); len(first.calls()) < 10 || len(second.calls()) < 10; { // until both connections are open
		if _, err := charge(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("one service received %d calls, the other %d", len(first.calls()), len(second.calls()))
		}
	}
}

func TestAnUnreachableAddressIsSkipped(t *testing.T) {
	stopped := serve(t, succeed)
	stopped.server.Stop()
	service := serve(t, succeed)
	client := connect(t, "ipv4:"+stopped.target+","+service.target)
	for range 10 {
		if _, err := charge(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
}

func TestATargetIsAnAddressOrAGRPCTarget(t *testing.T) {
	service := serve(t, succeed)
	_, port, _ := net.SplitHostPort(service.target)
	for _, target := range []string{
		service.target, "localhost:" + port, "dns:///" + service.target, "dns:///localhost:" + port,
		"ipv4:" + service.target, "ipv4:///" + service.target, "ipv4:" + service.target + "," + service.target,
		"passthrough:///" + service.target,
	} {
		if _, err := charge(t.Context(), connect(t, target)); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		calls := service.calls()
		authority := calls[len(calls)-1].metadata.Get(":authority")
		if !slices.Equal(authority, []string{service.target}) && !slices.Equal(authority, []string{"localhost:" + port}) {
			t.Errorf("%s was called with the authority %v", target, authority)
		}
	}
}

func TestAnInvalidTargetIsRejected(t *testing.T) {
	for _, target := range []string{
		"", "ipv4:", "ipv4:localhost:50051", "ipv4:127.0.0.1:50051,", "ipv4:[::1]:50051", "ipv6:127.0.0.1:50051",
		"ipv4:127.0.0.1:99999",
	} {
		_, err := payments.New(context.Background(), target)
		var argumentError *payments.ArgumentError
		if !errors.As(err, &argumentError) || argumentError.Argument != "target" {
			t.Errorf("%q: %v", target, err)
		}
	}
}

func TestAServiceConfigFromTheResolverIsIgnored(t *testing.T) {
	service := serve(t, failFirst(1, status.Error(codes.ResourceExhausted, "only gRPC itself retries this"), retrySoon...))
	name := manual.NewBuilderWithScheme("name")
	name.BuildCallback = func(_ resolver.Target, conn resolver.ClientConn, _ resolver.BuildOptions) {
		_ = conn.UpdateState(resolver.State{
			Addresses: []resolver.Address{{Addr: service.target}}, ServiceConfig: conn.ParseServiceConfig("{}"),
		})
	}
	client := connect(t, "name:///payments", payments.WithDialOptions(grpc.WithResolvers(name)))
	if _, err := charge(t.Context(), client); err != nil {
		t.Error(err)
	}
}

func TestTheUserAgentIdentifiesTheProgramAndTheClient(t *testing.T) {
	service := serve(t, succeed)
	for _, check := range []struct {
		expected string
		options  []payments.Option
	}{
		{"payments-client-go/" + payments.Version + " grpc-go/", nil},
		{
			"checkout/1.4 payments-client-go/" + payments.Version + " grpc-go/",
			[]payments.Option{payments.WithUserAgent("checkout/1.4")},
		},
		{"mine grpc-go/", []payments.Option{payments.WithDialOptions(grpc.WithUserAgent("mine"))}},
	} {
		if _, err := charge(t.Context(), connect(t, service.target, check.options...)); err != nil {
			t.Fatal(err)
		}
		calls := service.calls()
		agents := calls[len(calls)-1].metadata.Get("user-agent")
		if len(agents) != 1 || !strings.HasPrefix(agents[0], check.expected) {
			t.Errorf("the user agent is %q, expected: %q", agents, check.expected)
		}
	}
}

func TestInterceptorsRunForEachAttemptTheFirstOneOutermost(t *testing.T) {
	var seen []string
	recording := func(name string) grpc.UnaryClientInterceptor {
		return func(
			ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
			options ...grpc.CallOption,
		) error {
			seen = append(seen, name+" "+method)
			return invoke(ctx, method, request, reply, conn, options...)
		}
	}
	service := serve(t, failFirst(1, unavailable, noGRPCRetry...))
	client := connect(t, service.target,
		payments.WithUnaryInterceptors(recording("first"), recording("second")),
		payments.WithUnaryInterceptors(recording("third")))
	if _, err := charge(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	method := " /payments.v1.PaymentService/Charge"
	attempt := []string{"first" + method, "second" + method, "third" + method}
	if !slices.Equal(seen, append(attempt, attempt...)) {
		t.Errorf("the interceptors saw %v", seen)
	}
}

func TestNewReturnsGRPCsErrorForInvalidDialOptions(t *testing.T) {
	invalid := payments.WithDialOptions(grpc.WithDefaultServiceConfig("not JSON"))
	if _, err := payments.New(context.Background(), "127.0.0.1:50051", invalid); err == nil {
		t.Error("there was no error")
	}
}

func TestManyGoroutinesShareOneClient(t *testing.T) {
	service := serve(t, succeed)
	client := connect(t, service.target)
	errs := make(chan error)
	for range 50 {
		go func() {
			_, err := charge(context.Background(), client)
			errs <- err
		}()
	}
	for range 50 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
