package s3

// Exported for tests.
var (
	Definite = definite
	NotFound = notFound
)
