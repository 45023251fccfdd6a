package payments

import (
	_ "embed"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// serviceConfig says which calls gRPC repeats by itself, on what and when; and that it spreads calls over all addresses
// of the target. Each call that changes something is in it because this client gives it a request_id, which makes it
// safe to repeat.
//
//go:embed service_config.json
var serviceConfig string

// allDialOptions returns gRPC's options for a connection to target: the client's own, then those that were given, which
// come last because the last of a kind holds.
func (settings *settings) allDialOptions(target string) ([]grpc.DialOption, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	transport := settings.credentials
	if transport == nil {
		transport = insecure.NewCredentials()
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithResolvers(addressList("ipv4"), addressList("ipv6")),
		grpc.WithDefaultServiceConfig(serviceConfig),
		// The config above is the only one: no TXT record of the name's replaces it.
		grpc.WithDisableServiceConfig(),
		grpc.WithUserAgent(strings.TrimPrefix(settings.userAgent+" payments-client-go/"+Version, " ")),
		// A service that restarts is found again within a second; gRPC's own maximum is two minutes.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, MaxDelay: time.Second,
				Multiplier: backoff.DefaultConfig.Multiplier, Jitter: backoff.DefaultConfig.Jitter,
			},
			MinConnectTimeout: 20 * time.Second, // gRPC's own, which would be zero here
		}),
		// A connection whose other end vanished is given up after 5 seconds without an acknowledgement, soon enough for
		// another attempt within the default deadline: gRPC makes the keepalive timeout TCP_USER_TIMEOUT too (gRFC A18).
		// The pings themselves are no more frequent than once a minute, and only during calls (gRFC A8).
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 5 * time.Second}),
		grpc.WithChainUnaryInterceptor(settings.interceptors...),
		grpc.WithChainStreamInterceptor(settings.streams...),
	}
	if settings.apiKey != nil {
		key, err := newBearerKey(*settings.apiKey, target, transport)
		if err != nil {
			return nil, err
		}
		options = append(options, grpc.WithPerRPCCredentials(key))
	}
	return append(options, settings.dialOptions...), nil
}
