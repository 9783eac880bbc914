// Package buildspec reads the build specifications of CodeBuild, versions 0.1
// and 0.2, and runs them on this machine as CodeBuild runs them in its
// containers: the phases and their failures, one shell for all commands, what
// the log says, the exported variables, which files become artifacts.
//
// What only makes sense in CodeBuild's own environment is read and noted in
// the log, not obeyed: runtime-versions, run-as, proxy, reports. What would
// change the outcome of a build and cannot be done here is refused when the
// file is read: batch, retries of a phase, shells of Windows.
//
// Facts are from the buildspec reference in the CodeBuild user guide.
package buildspec
