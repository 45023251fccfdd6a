package payments

import (
	"net/url"
	"slices"
	"testing"

	"google.golang.org/grpc/resolver"
)

func TestEachListedAddressHasItsPortAndItsOwnServerName(t *testing.T) {
	for target, expected := range map[string][]string{
		"ipv4:10.0.0.1:50051,10.0.0.2:50052": {"10.0.0.1:50051", "10.0.0.2:50052"},
		"ipv4:///10.0.0.1":                   {"10.0.0.1:443"},
		"ipv6:[2001:db8::1]:50051,[::1]":     {"[2001:db8::1]:50051", "[::1]:443"},
		"ipv6:::1":                           {"[::1]:443"},
	} {
		parsed, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		var conn capture
		builder := addressList(parsed.Scheme)
		if _, err := builder.Build(resolver.Target{URL: *parsed}, &conn, resolver.BuildOptions{}); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		var addresses, names []string
		for _, address := range conn.state.Addresses {
			addresses, names = append(addresses, address.Addr), append(names, address.ServerName)
		}
		if !slices.Equal(addresses, expected) || !slices.Equal(names, expected) {
			t.Errorf("%s has the addresses %v and the names %v, expected: %v", target, addresses, names, expected)
		}
	}
}

// capture stores the state that a resolver reports to gRPC.
type capture struct {
	resolver.ClientConn
	state resolver.State
}

func (c *capture) UpdateState(state resolver.State) error {
	c.state = state
	return nil
}
