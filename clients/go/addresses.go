package payments

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"google.golang.org/grpc/resolver"
)

// defaultPort is the port that gRPC assumes for an address without one.
const defaultPort = 443

// addressList builds the gRPC resolver for targets such as "ipv4:10.0.0.1:50051,10.0.0.2:50051" and "ipv6:[::1]:50051".
// Its value is their scheme. gRPC has such a resolver in other languages, but not in Go
// (https://github.com/grpc/grpc/blob/master/doc/naming.md).
type addressList string

func (scheme addressList) Scheme() string { return string(scheme) }

func (scheme addressList) Build(
	target resolver.Target, conn resolver.ClientConn, _ resolver.BuildOptions,
) (resolver.Resolver, error) {
	addresses, err := scheme.addresses(target)
	if err != nil {
		return nil, err
	}
	var state resolver.State
	for _, address := range addresses {
		// Each server's certificate is verified for its own address, not for the whole list.
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address, ServerName: address})
	}
	return fixedAddresses{}, conn.UpdateState(state)
}

func (scheme addressList) addresses(target resolver.Target) ([]string, error) {
	var addresses []string
	for text := range strings.SplitSeq(target.Endpoint(), ",") {
		address, err := netip.ParseAddrPort(text)
		if err != nil {
			var ip netip.Addr
			ip, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
			address = netip.AddrPortFrom(ip, defaultPort)
		}
		if err != nil || address.Addr().Is4() != (scheme == "ipv4") {
			return nil, &ArgumentError{"target", fmt.Sprintf("must contain only %s addresses, not %q", scheme, text)}
		}
		addresses = append(addresses, address.String())
	}
	return addresses, nil
}

// checkTarget rejects an invalid target early. gRPC would only report it during a call.
func checkTarget(target string) error {
	if target == "" {
		return &ArgumentError{"target", "must not be empty"}
	}
	if parsed, err := url.Parse(target); err == nil && (parsed.Scheme == "ipv4" || parsed.Scheme == "ipv6") {
		_, err := addressList(parsed.Scheme).addresses(resolver.Target{URL: *parsed})
		return err
	}
	return nil
}

// fixedAddresses is a resolver whose addresses never change.
type fixedAddresses struct{}

func (fixedAddresses) ResolveNow(resolver.ResolveNowOptions) {}

func (fixedAddresses) Close() {}
