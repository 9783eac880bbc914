// Package definition reads and writes pipeline definitions: files of JSON or
// YAML in the structure of the API, bare or as {"pipeline": ...}.
//
// A file is data from strangers. Reading bounds its size and depth, refuses
// what can mean two things (duplicate keys, aliases, several documents) and
// never panics. It reports everything wrong with a file at once, and every
// error names the file, the line and the column, the path and what to write
// instead.
//
// Two things a file may leave out though the API requires them, because a
// laptop needs neither: the service role and the artifact store. [Options]
// says what stands in for them. A file without a name is named after itself.
package definition
