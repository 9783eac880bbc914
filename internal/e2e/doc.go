// Package e2e holds scenarios: what a user does and sees, played against a
// whole assembled system. Its files are tests only.
package e2e
