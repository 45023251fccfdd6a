package payments_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"payments.internal/payments"
)

// authority is a certificate authority for one test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(encoded)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return &authority{certificate, key, pool}
}

// issue returns a certificate for 127.0.0.1, for a server or a client.
func (a *authority) issue(t *testing.T) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{encoded}, PrivateKey: key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// serveTLS serves with a certificate of the authority. If mutual is set, it requires a client certificate.
func serveTLS(t *testing.T, authority *authority, mutual bool) *service {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{authority.issue(t)}}
	if mutual {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, authority.pool
	}
	return serve(t, succeed, grpc.Creds(credentials.NewTLS(config)))
}

func withTLS(config *tls.Config) payments.Option {
	return payments.WithTransportCredentials(credentials.NewTLS(config))
}

func TestCallsOverTLSNeedAServerWithAValidCertificate(t *testing.T) {
	authority := newAuthority(t)
	first, second := serveTLS(t, authority, false), serveTLS(t, authority, false)
	for _, target := range []string{first.target, "dns:///" + first.target, "ipv4:" + first.target + "," + second.target} {
		if _, err := charge(t.Context(), connect(t, target, withTLS(&tls.Config{RootCAs: authority.pool}))); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	for name, config := range map[string]*tls.Config{
		"another authority": {RootCAs: newAuthority(t).pool},
		"another name":      {RootCAs: authority.pool, ServerName: "payments.example"},
	} {
		client := connect(t, first.target, withTLS(config), payments.WithTimeout(time.Second))
		assertUnavailable(t, name, client)
	}
	assertUnavailable(t, "no TLS", connect(t, first.target, payments.WithTimeout(time.Second)))
}

func TestAServerMayRequireAClientCertificate(t *testing.T) {
	authority := newAuthority(t)
	service := serveTLS(t, authority, true)
	mutual := &tls.Config{RootCAs: authority.pool, Certificates: []tls.Certificate{authority.issue(t)}}
	if _, err := charge(t.Context(), connect(t, service.target, withTLS(mutual))); err != nil {
		t.Error(err)
	}
	for name, certificates := range map[string][]tls.Certificate{
		"no certificate":                     nil,
		"a certificate of another authority": {newAuthority(t).issue(t)},
	} {
		config := &tls.Config{RootCAs: authority.pool, Certificates: certificates}
		assertUnavailable(t, name, connect(t, service.target, withTLS(config), payments.WithTimeout(time.Second)))
	}
}

func assertUnavailable(t *testing.T, name string, client *payments.Client) {
	t.Helper()
	_, err := charge(t.Context(), client)
	var unknown *payments.OutcomeUnknownError
	if !errors.As(err, &unknown) {
		t.Errorf("%s: %v", name, err)
	}
}
