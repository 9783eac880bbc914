// Package crash kills the laptop assembly, and makes its steps fail, while it
// works, and looks at what is left. Its files are tests only.
//
// A child process serves a folder with twenty pipelines (folder_test.go). The
// test uses it through the API as many people would (load_test.go, look_test.go) and notes
// every answer that was given. Whatever happens to the child, the next one has
// to keep what was acknowledged and bring everything to its end
// (settle_test.go, check_test.go). TestKill kills at random moments; TestFailpoints at every
// step that package failpoint knows, in each of six ways.
package crash
