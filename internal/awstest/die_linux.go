package awstest

import "syscall"

// dieWithUs ends the server when a test binary is killed and runs no cleanup.
var dieWithUs = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
