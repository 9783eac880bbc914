package egress

// NewWith is New with a resolver of the test's own.
var NewWith = newClient

// Public and Inside tell what an address is taken for.
var (
	Public = public
	Inside = inside
)
