package payments

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/resolver"
)

// bearerKey is the API key, which gRPC sends with each attempt (RFC 6750), after the interceptors: they do not see it.
type bearerKey struct {
	key string
	// mayGoInTheClear is for loopback addresses. Otherwise gRPC, too, sends it over secure connections only.
	mayGoInTheClear bool
}

// newBearerKey refuses a key that would be sent in the clear to another machine, or cannot be a token. The key is not
// in the error's message.
func newBearerKey(key, target string, transport credentials.TransportCredentials) (*bearerKey, error) {
	isToken := key != "" && !strings.ContainsFunc(key, func(char rune) bool { return char <= ' ' || char > '~' })
	if !isToken {
		return nil, &ArgumentError{"APIKey", "must be printable ASCII characters without spaces, 1 at least"}
	}
	isLoopback := isLoopbackTarget(target)
	if transport.Info().SecurityProtocol == "insecure" && !isLoopback {
		return nil, &ArgumentError{
			"APIKey", "needs TransportCredentials (TLS), unless the target is this machine's loopback address",
		}
	}
	return &bearerKey{key, isLoopback}, nil
}

// GetRequestMetadata returns what is sent.
func (key *bearerKey) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + key.key}, nil
}

// RequireTransportSecurity makes gRPC refuse connections in the clear.
func (key *bearerKey) RequireTransportSecurity() bool { return !key.mayGoInTheClear }

// isLoopbackTarget reports whether every address of a gRPC target is loopback, whoever resolves it: a DNS server of the
// target's own could say that localhost is somewhere else.
func isLoopbackTarget(target string) bool {
	endpoint := target
	if parsed, err := url.Parse(target); err == nil {
		switch parsed.Scheme {
		case "unix", "unix-abstract":
			return true
		case "dns", "ipv4", "ipv6", "passthrough":
			if parsed.Host != "" {
				return false
			}
			endpoint = resolver.Target{URL: *parsed}.Endpoint()
		}
	}
	for address := range strings.SplitSeq(endpoint, ",") {
		if !isLoopbackAddress(address) {
			return false
		}
	}
	return true
}

func isLoopbackAddress(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return host == "localhost"
}
