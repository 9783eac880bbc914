// Package egress makes HTTP clients that reach certain hosts and no others.
//
// A source fetches from where a pipeline's author and a server's redirects
// tell it to, inside an account's network. So a client names its hosts
// beforehand; each request, also one that follows a redirect, is held against
// them; and the address that a name turns out to have is checked when it is
// dialled, not before, so that a name cannot change its mind in between. No
// proxy is taken from the environment, and no redirect is followed unasked.
//
// # Invariants
//
// Each is held by the test of the same name.
//
//	OnlyNamedHosts    No connection is made to a host that is not named.
//	OnlyItsAddresses  Nor to an address that such a host must not have.
package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Hosts are what a client may reach. A name is a host's, in lower case and
// without a port; it is reached by https on port 443.
type Hosts struct {
	Public []string // have addresses of the internet
	Inside []string // may have private ones too: an endpoint of AWS in the account's own network
	Given  []string // host:port that the deployment itself names: by http too, whatever its address
}

// ErrRefused says that a request was not sent because of where it led.
var ErrRefused = errors.New("refused to connect")

// New returns a client that reaches hosts. It returns redirects as they are.
func New(hosts Hosts) *http.Client { return newClient(hosts, nil) }

// newClient is New with another resolver than the system's.
func newClient(hosts Hosts, resolver *net.Resolver) *http.Client {
	return &http.Client{
		Transport: &gate{hosts, &http.Transport{
			DialContext:            hosts.dialer(resolver),
			ForceAttemptHTTP2:      true,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  2 * time.Minute, // a server may pack a repository before it says anything
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        30 * time.Second,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A gate lets requests to hosts through.
type gate struct {
	hosts Hosts
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.hosts.Permit(r.URL); err != nil {
		if r.Body != nil {
			r.Body.Close() // as a RoundTripper has to
		}
		return nil, err
	}
	return g.next.RoundTrip(r)
}

// Permit returns why u is not to be requested, or nil. The error names the
// host and nothing else of u, which may hold a secret.
func (h Hosts) Permit(u *url.URL) error {
	switch {
	case u.User != nil:
		return fmt.Errorf("%w to host %.100q: the URL holds a user", ErrRefused, u.Host)
	case slices.Contains(h.Given, u.Host) && (u.Scheme == "https" || u.Scheme == "http"):
		return nil
	case u.Scheme != "https":
		return fmt.Errorf("%w to host %.100q by %.20q: only https is allowed", ErrRefused, u.Host, u.Scheme)
	case u.Port() != "" && u.Port() != "443":
		return fmt.Errorf("%w to port %.10s of host %.100q", ErrRefused, u.Port(), u.Hostname())
	case !slices.Contains(h.Public, u.Hostname()) && !slices.Contains(h.Inside, u.Hostname()):
		return fmt.Errorf("%w to host %.100q, which is none of %s", ErrRefused, u.Host, strings.Join(slices.Concat(h.Public, h.Inside, h.Given), ", "))
	}
	return nil
}

// dialer returns how connections are made: by who the host is, as whatever
// address it is found at.
func (h Hosts) dialer(resolver *net.Resolver) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: resolver}
		switch {
		case slices.Contains(h.Given, address) || slices.Contains(h.Given, host):
		case slices.Contains(h.Inside, host):
			d.Control = control(host, inside)
		default:
			d.Control = control(host, public)
		}
		return d.DialContext(ctx, network, address)
	}
}

// control refuses addresses that are not allowed, after the name was resolved
// and before anything is sent.
func control(host string, allowed func(netip.Addr) bool) func(string, string, syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w to host %s: %v", ErrRefused, host, err)
		}
		if !allowed(at.Addr()) {
			return fmt.Errorf("%w to host %s: it has the address %s, which is not one of the internet", ErrRefused, host, at.Addr())
		}
		return nil
	}
}
