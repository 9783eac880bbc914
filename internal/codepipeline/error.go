package codepipeline

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// The codes that only the wire knows.
const (
	serialization         pipeline.Code = "SerializationException"
	unknownOperation      pipeline.Code = "UnknownOperationException"
	missingAuthentication pipeline.Code = "MissingAuthenticationTokenException"
	incompleteSignature   pipeline.Code = "IncompleteSignatureException"
	invalidARN            pipeline.Code = "InvalidArnException"
	resourceNotFound      pipeline.Code = "ResourceNotFoundException"
	invalidTags           pipeline.Code = "InvalidTagsException"
	tooManyTags           pipeline.Code = "TooManyTagsException"

	forbidden        pipeline.Code = "AccessDeniedException"
	misdirected      pipeline.Code = "MisdirectedRequestException"
	methodNotAllowed pipeline.Code = "MethodNotAllowedException"
	pathNotFound     pipeline.Code = "UnknownPathException"
	unsupportedMedia pipeline.Code = "UnsupportedMediaTypeException"
	requestTooLarge  pipeline.Code = "RequestEntityTooLargeException"
	requestTimeout   pipeline.Code = "RequestTimeoutException"
)

// statuses lists the codes that are not answered with 400.
var statuses = map[pipeline.Code]int{
	pipeline.InternalFailure:    http.StatusInternalServerError,
	pipeline.ServiceUnavailable: http.StatusServiceUnavailable,

	missingAuthentication: http.StatusForbidden,
	forbidden:             http.StatusForbidden,
	misdirected:           http.StatusMisdirectedRequest,
	methodNotAllowed:      http.StatusMethodNotAllowed,
	pathNotFound:          http.StatusNotFound,
	unsupportedMedia:      http.StatusUnsupportedMediaType,
	requestTooLarge:       http.StatusRequestEntityTooLarge,
	requestTimeout:        http.StatusRequestTimeout,
}

// status returns the HTTP status that an error with code is answered with.
func status(code pipeline.Code) int {
	if n, ok := statuses[code]; ok {
		return n
	}
	return http.StatusBadRequest
}

// maxMessage is how many bytes of a message are sent.
const maxMessage = 64 << 10

// An errorBody is how every error looks on the wire.
type errorBody struct {
	Type    pipeline.Code `json:"__type"`
	Message string        `json:"message"`
}

// contentType is what requests and answers are made of.
const contentType = "application/x-amz-json-1.1"

// writeError answers err. What went wrong with us stays in the log, where
// request finds it.
func writeError(w http.ResponseWriter, err error, request string) {
	body := errorBody{pipeline.CodeOf(err), err.Error()}
	switch body.Type {
	case pipeline.InternalFailure:
		body.Message = "Sluice could not do this. Its log has the cause under request " + request
	case pipeline.ServiceUnavailable:
		body.Message = "Sluice cannot do this now; try again. Its log has the cause under request " + request
	case methodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	}
	if len(body.Message) > maxMessage { // everything wrong with a large declaration
		body.Message = strings.ToValidUTF8(body.Message[:maxMessage], "") + " ..."
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status(body.Type))
	w.Write(encode(body)) // an error here means the caller left; there is nobody to tell
}

// writeReply answers out, or nothing when out is nil.
func writeReply(w http.ResponseWriter, out any) {
	w.Header().Set("Content-Type", contentType)
	if out != nil {
		w.Write(encode(out))
	}
}

// encode returns v as JSON that a person can read too: <, > and & stay.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("codepipeline: " + err.Error()) // only a type of ours can cause it
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
