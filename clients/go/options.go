package payments

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

const defaultTimeout = 10 * time.Second

// Option configures a [Client] when it is passed to [New].
type Option interface{ applyToClient(*settings) }

// CallOption configures one call.
type CallOption interface{ applyToCall(*callSettings) }

// GetOption configures a call that gets one payment.
type GetOption interface{ applyToGet(*getSettings) }

// TimeoutOption is the option that [WithTimeout] returns, for a client or for one call.
type TimeoutOption time.Duration

type settings struct {
	timeout            time.Duration
	credentials        credentials.TransportCredentials
	apiKey             *string
	unaryInterceptors  []grpc.UnaryClientInterceptor
	streamInterceptors []grpc.StreamClientInterceptor
	userAgent          string
	dialOptions        []grpc.DialOption
}

type callSettings struct{ timeout time.Duration }

type getSettings struct {
	callSettings
	caller string
}

type clientOption func(*settings)

type getOption func(*getSettings)

// WithTimeout sets the time limit of a call, including all retries. The default is 10 seconds. Pass it to [New] for all
// calls of the client, or to a call for that call alone. A context that ends sooner ends the call sooner.
//
// The client's timeout does not apply to watches, which are endless. See [Client.WatchPayments] for the meaning of a
// watch's own timeout.
func WithTimeout(timeout time.Duration) TimeoutOption { return TimeoutOption(timeout) }

// OfCaller says that the request_id in [Client.GetPaymentByRequestID] is that of the caller with this name. The service
// rejects it for any caller but your own, unless your caller has the role payments.audit, and with any other key than a
// request_id.
func OfCaller(name string) GetOption {
	return getOption(func(settings *getSettings) { settings.caller = name })
}

// WithTransportCredentials encrypts the connections, for example with credentials.NewTLS(&tls.Config{}) of gRPC's
// package credentials. For mutual TLS, set Certificates in the tls.Config to the client's certificate.
func WithTransportCredentials(credentials credentials.TransportCredentials) Option {
	return clientOption(func(settings *settings) { settings.credentials = credentials })
}

// WithAPIKey sets the API key that authenticates the caller. It is sent with every call, as a bearer token (RFC 6750).
// [New] rejects a key without [WithTransportCredentials] unless the target is a loopback address, and a key that is not
// printable ASCII without spaces.
func WithAPIKey(key string) Option {
	return clientOption(func(settings *settings) { settings.apiKey = &key })
}

// WithUnaryInterceptors adds interceptors that run for each attempt, for example for tracing; the first one is
// outermost. gRPC's own retries are part of one attempt; a stats handler, set by [WithDialOptions], sees each of them.
func WithUnaryInterceptors(interceptors ...grpc.UnaryClientInterceptor) Option {
	return clientOption(func(settings *settings) {
		settings.unaryInterceptors = append(settings.unaryInterceptors, interceptors...)
	})
}

// WithStreamInterceptors adds interceptors that run for each stream of [Client.WatchPayments], for example for tracing;
// the first one is outermost.
func WithStreamInterceptors(interceptors ...grpc.StreamClientInterceptor) Option {
	return clientOption(func(settings *settings) {
		settings.streamInterceptors = append(settings.streamInterceptors, interceptors...)
	})
}

// WithUserAgent identifies your program to the service, for example as "checkout/1.4".
func WithUserAgent(userAgent string) Option {
	return clientOption(func(settings *settings) { settings.userAgent = userAgent })
}

// WithDialOptions adds gRPC dial options, which override the client's own options of the same kind.
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

func (timeout TimeoutOption) applyToGet(settings *getSettings) {
	settings.timeout = time.Duration(timeout)
}

func (option getOption) applyToGet(settings *getSettings) { option(settings) }

func checkTimeout(timeout time.Duration) error {
	if timeout <= 0 {
		return &ArgumentError{"timeout", "must be more than zero"}
	}
	return nil
}
