package standin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/aws/smithy-go/encoding/cbor"
)

// Some clients speak CBOR, which moto does not know. What they ask is asked
// in JSON, which the same services take, and answered in CBOR.
// https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html

const rpcCBOR = "rpc-v2-cbor"

func isCBOR(r *http.Request) bool { return r.Header.Get("Smithy-Protocol") == rpcCBOR }

// inJSON returns q as a request in JSON.
func (q request) inJSON() *http.Request {
	r := q.http.Clone(q.http.Context())
	text, err := json.Marshal(q.in)
	if err != nil {
		panic(err) // it was read from CBOR
	}
	r.URL.Path, r.URL.RawPath = "/", ""
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	r.Header.Del("Smithy-Protocol")
	r.Header.Del("Accept")
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("Content-Length", fmt.Sprint(len(text)))
	r.Header.Set("X-Amz-Target", q.target)
	return r
}

// answerCBOR writes an answer in JSON as one in CBOR.
func answerCBOR(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	var out any
	if err := json.Unmarshal(answer.Body.Bytes(), &out); err != nil {
		out = map[string]any{"__type": "StandinError", "message": "moto answers what is no JSON: " + answer.Body.String()}
	}
	body := cbor.Encode(packed("", out))
	for _, name := range []string{"X-Amzn-Requestid", "X-Amzn-Query-Error"} {
		if v := answer.Header().Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.Header().Set("Smithy-Protocol", rpcCBOR)
	w.Header().Set("Content-Type", "application/cbor")
	w.WriteHeader(answer.Code)
	w.Write(body) // an error here means that the client is gone
}

// packed returns a value of JSON as CBOR has it. Times are numbers in JSON, and
// only the names of their members tell them from others.
func packed(name string, v any) cbor.Value {
	switch v := v.(type) {
	case map[string]any:
		m := cbor.Map{}
		for k, e := range v {
			m[k] = packed(k, e)
		}
		return m
	case []any:
		l := cbor.List{}
		for _, e := range v {
			l = append(l, packed(name, e))
		}
		return l
	case string:
		return cbor.String(v)
	case bool:
		return cbor.Bool(v)
	case float64:
		switch {
		case strings.HasSuffix(name, "Timestamp"):
			return &cbor.Tag{ID: 1, Value: cbor.Float64(v)}
		case v >= 0 && v == math.Trunc(v):
			return cbor.Uint(v)
		}
		return cbor.Float64(v)
	}
	return &cbor.Nil{}
}

func readCBOR(body []byte) map[string]any {
	v, err := cbor.Decode(body)
	if err != nil {
		return map[string]any{}
	}
	in, _ := plain(v).(map[string]any)
	return in
}

// plain returns a value of CBOR as JSON would have it.
func plain(v cbor.Value) any {
	switch v := v.(type) {
	case cbor.Map:
		m := map[string]any{}
		for k, e := range v {
			m[k] = plain(e)
		}
		return m
	case cbor.List:
		l := []any{}
		for _, e := range v {
			l = append(l, plain(e))
		}
		return l
	case cbor.String:
		return string(v)
	case cbor.Slice:
		return string(v)
	case cbor.Uint:
		return float64(v)
	case cbor.NegInt:
		return -float64(v)
	case cbor.Float32:
		return float64(v)
	case cbor.Float64:
		return float64(v)
	case *cbor.Tag: // of a time
		return plain(v.Value)
	case cbor.Bool:
		return bool(v)
	}
	return nil
}
