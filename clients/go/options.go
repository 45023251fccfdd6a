package payments

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

const defaultTimeout = 10 * time.Second

// Option sets up a [Client]: an argument of [New].
type Option interface{ applyToClient(*settings) }

// CallOption is for one call: the last arguments of each.
type CallOption interface{ applyToCall(*callSettings) }

// TimeoutOption is what [WithTimeout] returns.
type TimeoutOption time.Duration

type settings struct {
	timeout      time.Duration
	credentials  credentials.TransportCredentials
	apiKey       *string
	interceptors []grpc.UnaryClientInterceptor
	streams      []grpc.StreamClientInterceptor
	userAgent    string
	dialOptions  []grpc.DialOption
}

type callSettings struct{ timeout time.Duration }

type clientOption func(*settings)

// WithTimeout sets how long a call may take, all its attempts together: 10 seconds otherwise. Given to [New] it holds
// for the client's calls, given to a call for that one. A context that ends sooner ends the call sooner.
//
// A watch has no end: only a timeout given to it holds for it, see [Client.WatchPayments].
func WithTimeout(timeout time.Duration) TimeoutOption { return TimeoutOption(timeout) }

// WithTransportCredentials makes connections secure, as with credentials.NewTLS(&tls.Config{}) of gRPC's package
// credentials. For mutual TLS give the tls.Config the client's certificate, in Certificates.
func WithTransportCredentials(credentials credentials.TransportCredentials) Option {
	return clientOption(func(settings *settings) { settings.credentials = credentials })
}

// WithAPIKey says who calls, where the service asks for it. The key is sent with every call, as a bearer token (RFC
// 6750), and only over connections of [WithTransportCredentials] or to a loopback address; [New] refuses it otherwise,
// and a key that is not printable ASCII without spaces.
func WithAPIKey(key string) Option {
	return clientOption(func(settings *settings) { settings.apiKey = &key })
}

// WithUnaryInterceptors adds interceptors around each attempt, as of a tracer; the first is outermost. gRPC's own
// retries are one attempt to them; a stats handler, given by [WithDialOptions], sees those too.
func WithUnaryInterceptors(interceptors ...grpc.UnaryClientInterceptor) Option {
	return clientOption(func(settings *settings) {
		settings.interceptors = append(settings.interceptors, interceptors...)
	})
}

// WithStreamInterceptors adds interceptors around each stream of [Client.WatchPayments], as of a tracer; the first is
// outermost.
func WithStreamInterceptors(interceptors ...grpc.StreamClientInterceptor) Option {
	return clientOption(func(settings *settings) { settings.streams = append(settings.streams, interceptors...) })
}

// WithUserAgent names your program to the service, as in "checkout/1.4".
func WithUserAgent(userAgent string) Option {
	return clientOption(func(settings *settings) { settings.userAgent = userAgent })
}

// WithDialOptions adds gRPC's dial options, which replace the client's own of the same kind.
func WithDialOptions(options ...grpc.DialOption) Option {
	return clientOption(func(settings *settings) { settings.dialOptions = append(settings.dialOptions, options...) })
}

func (option clientOption) applyToClient(settings *settings) { option(settings) }

func (timeout TimeoutOption) applyToClient(settings *settings) {
	settings.timeout = time.Duration(timeout)
}

func (timeout TimeoutOption) applyToCall(settings *callSettings) {
	settings.timeout = time.Duration(timeout)
}

func checkTimeout(timeout time.Duration) error {
	if timeout <= 0 {
		return &ArgumentError{"timeout", "must be more than zero"}
	}
	return nil
}
