//go:build !failpoint

package failpoint

// Step calls effect, which is the step called name.
func Step(_ string, effect func() error) error { return effect() }

// Named is Step for a name that takes work to find.
func Named(_ func() string, effect func() error) error { return effect() }
