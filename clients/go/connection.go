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

// serviceConfig sets gRPC's retry policy and spreads calls over all addresses of the target. Retrying charges and
// refunds is safe because this client gives each of them a request_id.
//
//go:embed service_config.json
var serviceConfig string

// allDialOptions returns gRPC's options for a connection to target: the client's own, then the caller's, which override
// them because the last option of a kind wins.
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
		// Without this, a DNS TXT record could replace the service config.
		grpc.WithDisableServiceConfig(),
		grpc.WithUserAgent(strings.TrimPrefix(settings.userAgent+" payments-client-go/"+Version, " ")),
		// Reconnect to a restarted service within a second; gRPC's default maximum backoff is two minutes.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, MaxDelay: time.Second,
				Multiplier: backoff.DefaultConfig.Multiplier, Jitter: backoff.DefaultConfig.Jitter,
			},
			MinConnectTimeout: 20 * time.Second, // gRPC's default; if unset here, it would be zero
		}),
		// Close a dead connection after 5 seconds without an acknowledgment, which leaves time for a retry within the
		// default deadline: gRPC also uses the keepalive timeout as TCP_USER_TIMEOUT (gRFC A18). Keepalive pings are
		// sent at most once a minute, and only during calls (gRFC A8).
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 5 * time.Second}),
		grpc.WithChainUnaryInterceptor(settings.unaryInterceptors...),
		grpc.WithChainStreamInterceptor(settings.streamInterceptors...),
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
