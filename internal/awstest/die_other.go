//go:build !linux

package awstest

import "syscall"

// dieWithUs is what only Linux has; elsewhere Main alone stops the server.
var dieWithUs *syscall.SysProcAttr
