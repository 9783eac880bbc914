package egress

import "net/netip"

// special are the ranges of the IANA special-purpose registries that lead
// elsewhere than to a host of the internet and that netip does not know by
// name.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
)

// translated is how a network that speaks IPv6 alone writes addresses of IPv4.
var translated = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// public reports whether a is an address of a host of the internet.
func public(a netip.Addr) bool {
	a = plain(a)
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// inside reports whether a is public or one of a private network. The machine
// itself and its link, where credentials are handed out, are neither.
func inside(a netip.Addr) bool {
	a = plain(a)
	return public(a) || a.IsPrivate() && a != netip.MustParseAddr("fd00:ec2::254") && a != netip.MustParseAddr("fd00:ec2::23")
}

// plain returns the address that a stands for.
func plain(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if translated.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}
