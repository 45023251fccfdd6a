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

// bearerKey is the API key. gRPC sends it with each attempt (RFC 6750), after the interceptors, so they do not see it.
type bearerKey struct {
	key string
	// allowInsecure is set for loopback addresses. Otherwise gRPC itself refuses to send the key without TLS.
	allowInsecure bool
}

// newBearerKey returns the credentials for an API key. It rejects a key that is not a valid token or that would be sent
// unencrypted to another machine. The error does not contain the key.
func newBearerKey(key, target string, transport credentials.TransportCredentials) (*bearerKey, error) {
	isToken := key != "" && !strings.ContainsFunc(key, func(char rune) bool { return char <= ' ' || char > '~' })
	if !isToken {
		return nil, &ArgumentError{"APIKey", "must be 1 or more printable ASCII characters without spaces"}
	}
	isLoopback := isLoopbackTarget(target)
	if transport.Info().SecurityProtocol == "insecure" && !isLoopback {
		return nil, &ArgumentError{
			"APIKey", "needs TransportCredentials (TLS), unless the target is a loopback address",
		}
	}
	return &bearerKey{key, isLoopback}, nil
}

// GetRequestMetadata returns the authorization header.
func (key *bearerKey) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + key.key}, nil
}

// RequireTransportSecurity reports whether the key may only be sent over TLS.
func (key *bearerKey) RequireTransportSecurity() bool { return !key.allowInsecure }

// isLoopbackTarget reports whether every address of a gRPC target is known to be a loopback address. A target that
// names its own DNS server is not, because that server could resolve localhost to another machine.
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
