// Package client calls an API that package codepipeline serves. It speaks the
// protocol of CodePipeline without signing, which is enough for a server on
// the loopback address; anything else is an SDK's work.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Client calls one endpoint. It is safe for concurrent use.
type Client struct {
	endpoint string
	http     *http.Client
}

// New returns a client of the API at endpoint, such as http://127.0.0.1:4317.
// A nil httpClient is one that waits half a minute.
func New(endpoint string, httpClient *http.Client) *Client {
	if httpClient == nil {
		httpClient = &http.Client{Timeout: 30 * time.Second}
	}
	return &Client{strings.TrimSuffix(endpoint, "/") + "/", httpClient}
}

// maxReply is how many bytes an answer may have.
const maxReply = 64 << 20

// Do calls operation with in and reads its answer into out, which may be nil.
//
// An error of the service has its exception as [pipeline.Code]. A server that
// cannot be reached is ServiceUnavailable.
func (c *Client) Do(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return pipeline.Errorf(pipeline.Validation, "%s: %w", operation, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return pipeline.Errorf(pipeline.Validation, "endpoint: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "CodePipeline_20150709."+operation)
	resp, err := c.http.Do(req)
	if err != nil {
		return pipeline.Errorf(pipeline.ServiceUnavailable, "%s: %w", operation, err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return pipeline.Errorf(pipeline.ServiceUnavailable, "%s: the answer broke off: %w", operation, err)
	}
	if resp.StatusCode != http.StatusOK {
		return failure(resp.Status, reply)
	}
	if out == nil || len(reply) == 0 {
		return nil
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return pipeline.Errorf(pipeline.InternalFailure, "%s: the answer of %s is not CodePipeline's: %w", operation, c.endpoint, err)
	}
	return nil
}

// failure returns the error that an answer other than 200 stands for.
func failure(status string, reply []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(reply, &e); err != nil || e.Type == "" {
		return pipeline.Errorf(pipeline.InternalFailure, "the server answered %s, which is not CodePipeline's way", status)
	}
	return pipeline.Errorf(pipeline.Code(e.Type[strings.LastIndex(e.Type, "#")+1:]), "%s", e.Message)
}
