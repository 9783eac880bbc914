package local

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"

	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/hook"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Handler serves the API and what the program's own commands read beside it,
// to clients on this machine that ask for it on port:
//
//	POST /                            the CodePipeline API
//	GET  /logs/{actionExecutionId}    the log so far, text/plain; ?offset=N bytes to skip
//	GET  /decisions/{pipeline}        JSON list of record.Decision, newest first
//	GET  /events                      JSON: a page of what was announced, oldest first; ?after= the page before
//	GET  /links/{execution}           JSON list of Mail: those with links to approvals that it waits for
//	     /approve/{secret}            the page of an approval, see package hook
func (s *System) Handler(port int) (http.Handler, error) {
	api, err := codepipeline.New(s.Service, s.Records, Region, codepipeline.Options{User: userName(), Log: s.opts.Log})
	if err != nil {
		return nil, err
	}
	pages, err := hook.New(s.Service, s.opts.Log)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.Handle("/approve/", pages)
	mux.HandleFunc("GET /logs/{id}", s.log)
	mux.HandleFunc("GET /decisions/{pipeline}", s.decisions)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /links/{execution}", s.links)
	return codepipeline.Loopback(mux, port), nil
}

func (s *System) log(w http.ResponseWriter, r *http.Request) {
	offset, err := strconv.ParseInt(r.FormValue("offset"), 10, 64)
	if err != nil && r.FormValue("offset") != "" || offset < 0 {
		http.Error(w, "offset is a number of bytes", http.StatusBadRequest)
		return
	}
	f, err := os.Open(s.LogFile(r.PathValue("id")))
	if errors.Is(err, fs.ErrNotExist) {
		http.Error(w, "there is no log of that action execution", http.StatusNotFound)
		return
	}
	if err == nil {
		defer f.Close()
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		s.opts.Log.Error("log", "id", r.PathValue("id"), "err", err)
		http.Error(w, "the log cannot be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.Copy(w, f) // an error here means the reader left
}

// decisionsShown is how many decisions are told at most.
const decisionsShown = 100

func (s *System) decisions(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("pipeline")
	if _, err := s.Records.Pipeline(r.Context(), name); pipeline.CodeOf(err) == pipeline.PipelineNotFound {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	all, err := s.Records.Decisions(r.Context(), name, decisionsShown)
	if err != nil {
		s.opts.Log.Error("decisions", "pipeline", name, "err", err)
		http.Error(w, "the decisions cannot be read", http.StatusInternalServerError)
		return
	}
	writeJSON(w, all)
}

// A Page of events; Next is the After of the page behind it.
type Page struct {
	Events []bus.Event `json:"events"`
	Next   string      `json:"next"`
}

// eventsShown is how many events a page has at most.
const eventsShown = 500

func (s *System) events(w http.ResponseWriter, r *http.Request) {
	events, next, err := s.mail.List(r.Context(), r.FormValue("after"), eventsShown)
	if err != nil {
		s.opts.Log.Error("events", "err", err)
		http.Error(w, "the events cannot be read", http.StatusInternalServerError)
		return
	}
	writeJSON(w, Page{Events: events, Next: next})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // an error here means the reader left
}
