// Package cli is the program sluice: one file a command.
//
// A command talks to Sluice in one way only, the API over HTTP. When no server
// runs on the data folder, the command opens the folder itself and calls the
// same handler inside its own process; see [program.connect].
//
// Stdout is for data and stderr for talk. Nothing ever asks a question. An
// error ends with the command to type next.
//
// # Promises
//
// Each is held by the test of the same name.
//
//	ExitCodes       The exit code says how it went, and every error ends with "try: ...".
//	PlainInPipes    A pipe gets no escape sequence and one line per change.
//	PictureFits     On a terminal no line is wider and no picture higher than the window.
//	NoForeignEscape What a build prints cannot move a terminal's cursor.
//	JSONIsTheAPIs   --output json is the shape of the API's own answer.
package cli
