package payments_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"payments.internal/payments"
)

const apiKey = "key-0123456789-abcdef"

func TestTheAPIKeyIsSentWithEveryAttemptAndHiddenFromInterceptors(t *testing.T) {
	authority := newAuthority(t)
	for name, service := range map[string]*service{
		"loopback": serve(t, failFirst(1, unavailable, noGRPCRetry...)),
		"TLS":      serveTLS(t, authority, false),
	} {
		options := []payments.Option{
			payments.WithAPIKey(apiKey),
			payments.WithUnaryInterceptors(func(
				ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
				options ...grpc.CallOption,
			) error {
				if sent, _ := metadata.FromOutgoingContext(ctx); strings.Contains(fmt.Sprint(sent), apiKey) {
					t.Errorf("%s: an interceptor sees the key", name)
				}
				return invoke(ctx, method, request, reply, conn, options...)
			}),
		}
		if name == "TLS" {
			options = append(options, withTLS(&tls.Config{RootCAs: authority.pool}))
		}
		if _, err := charge(t.Context(), connect(t, service.target, options...)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, call := range service.calls() {
			if sent := call.metadata.Get("authorization"); !slices.Equal(sent, []string{"Bearer " + apiKey}) {
				t.Errorf("%s: the key was sent as %v", name, sent)
			}
		}
	}
}

func TestWithoutAnAPIKeyNoAuthorizationIsSent(t *testing.T) {
	service := serve(t, succeed)
	if _, err := charge(t.Context(), connect(t, service.target)); err != nil {
		t.Fatal(err)
	}
	if sent := service.calls()[0].metadata.Get("authorization"); sent != nil {
		t.Errorf("%v was sent", sent)
	}
}

func TestAnAPIKeyIsSentUnencryptedOnlyToLoopbackAddresses(t *testing.T) {
	for _, target := range []string{
		"127.0.0.1:50051", "127.0.0.1", "127.1.2.3:50051", "localhost:50051", "localhost", "[::1]:50051", "::1",
		"dns:///localhost:50051", "dns:127.0.0.1:50051", "ipv4:127.0.0.1:1001,127.0.0.1:1002", "ipv6:[::1]:50051",
		"passthrough:///127.0.0.1:50051", "unix:/run/payments.sock", "unix:///run/payments.sock",
	} {
		if err := withKey(target); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	for _, target := range []string{
		"payments:50051", "10.0.0.1:50051", "dns:///payments:50051", "dns:///10.0.0.1:50051", "[2001:db8::1]:50051",
		"ipv4:127.0.0.1:1001,10.0.0.1:1002", "ipv4:10.0.0.1:1001", "localhost.example:50051", "127.0.0.1.example:50051",
		"dns://10.0.0.1/localhost:50051", "passthrough:///10.0.0.1:50051", "0.0.0.0:50051", ":50051",
	} {
		assertKeyRejected(t, target, withKey(target))
		explicit := payments.WithTransportCredentials(insecure.NewCredentials())
		assertKeyRejected(t, target, withKey(target, explicit))
		secure := payments.WithTransportCredentials(credentials.NewTLS(&tls.Config{}))
		if err := withKey(target, secure); err != nil {
			t.Errorf("%s over TLS: %v", target, err)
		}
		withoutTLS := payments.WithDialOptions(grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err := withKey(target, secure, withoutTLS); err == nil {
			t.Errorf("%s: a dial option disabled TLS", target)
		}
	}
}

func withKey(target string, options ...payments.Option) error {
	client, err := payments.New(context.Background(), target, append(options, payments.WithAPIKey(apiKey))...)
	if err != nil {
		return err
	}
	return client.Close()
}

func TestAnInvalidAPIKeyIsRejected(t *testing.T) {
	for _, key := range []string{"", " ", apiKey + " ", apiKey + "\n", apiKey + "\x00", apiKey + "\x7f", apiKey + "é"} {
		_, err := payments.New(context.Background(), "127.0.0.1:50051", payments.WithAPIKey(key))
		assertKeyRejected(t, fmt.Sprintf("%q", key), err)
	}
}

func assertKeyRejected(t *testing.T, name string, err error) {
	t.Helper()
	var argumentError *payments.ArgumentError
	if !errors.As(err, &argumentError) || argumentError.Argument != "APIKey" {
		t.Errorf("%s: %v", name, err)
		return
	}
	if strings.Contains(err.Error(), apiKey) {
		t.Errorf("%s: the message contains the key: %v", name, err)
	}
}

func TestFormattingTheClientOrItsErrorsDoesNotRevealTheAPIKey(t *testing.T) {
	service := serve(t, fail(unavailable, noGRPCRetry...))
	client := connect(t, service.target, payments.WithAPIKey(apiKey), payments.WithTimeout(time.Second))
	_, err := charge(t.Context(), client)
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{client, *client, payments.WithAPIKey(apiKey), err} {
			if strings.Contains(fmt.Sprintf(form, value), apiKey) {
				t.Errorf("%s of %T contains the key", form, value)
			}
		}
	}
}
