package cli

// What tests see of this package beside its API.
var (
	Cells  = cells
	Cut    = cut
	Clean  = clean
	Log    = logLine
	Quoted = quoteWord
)
