package cloud_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/grant"
	"github.com/sluice-ci/sluice/internal/cloud/approvals"
	"github.com/sluice-ci/sluice/internal/cloud/builds"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/cloud/deploys"
	"github.com/sluice-ci/sluice/internal/cloud/invokes"
	"github.com/sluice-ci/sluice/internal/cloud/rules"
	"github.com/sluice-ci/sluice/internal/cloud/sources"
	"github.com/sluice-ci/sluice/internal/cloud/work"
	"github.com/sluice-ci/sluice/internal/config"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// bench is a bench that reaches nobody.
func bench(t *testing.T) *work.Bench {
	t.Helper()
	b, err := work.New(entry.Environment{
		Env: config.New(func(key string) (string, bool) { return "x-" + key, true }),
		AWS: aws.Config{Region: "eu-west-1"}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// kinds are the catalogs by the categories that their functions are called for.
func kinds(b *work.Bench) map[string]func() (catalog.Providers, error) {
	return map[string]func() (catalog.Providers, error){
		"Source":             func() (catalog.Providers, error) { return sources.New(b) },
		"Build Test Compute": func() (catalog.Providers, error) { return builds.New(b) },
		"Deploy":             func() (catalog.Providers, error) { return deploys.New(b) },
		"Invoke":             func() (catalog.Providers, error) { return invokes.New(b) },
		"Rule":               func() (catalog.Providers, error) { return rules.New(b) },
		"Approval":           func() (catalog.Providers, error) { return approvals.New(b.Store) },
	}
}

// What functions run is what deployments grant, neither more nor less, and each
// action is run by the function that machines call for its category.
func TestCatalogIsGranted(t *testing.T) {
	all := catalog.Providers{}
	for categories, open := range kinds(bench(t)) {
		some, err := open()
		if err != nil {
			t.Fatal(err)
		}
		for id, p := range some {
			if p == nil || !strings.Contains(categories, string(id.Category)) {
				t.Errorf("%v is in the catalog of %s", id, categories)
			}
			all[id] = p
		}
	}
	home := grant.Home{Partition: "aws", Region: "eu-west-1", Account: "111122223333", Artifacts: "arn:aws:s3:::artifacts/web/*", Key: "arn:aws:kms:eu-west-1:111122223333:key/1"}
	granted := 0
	for _, known := range pipeline.ActionTypes() {
		id := known.ID
		_, err := grant.For(pipeline.Action{Name: "A", TypeID: id, Configuration: map[string]string{}}, home)
		refused := err != nil && strings.Contains(err.Error(), "does not run in an AWS account yet") // others are of the configuration, which is empty
		if _, runs := all[id]; runs == refused {
			t.Errorf("%s/%s: a function runs it: %v; it is granted: %v (%v)", id.Category, id.Provider, runs, !refused, err)
		}
		if !refused {
			granted++
		}
	}
	granted += rulesGranted(t, all, home)
	if granted != len(all) {
		t.Errorf("%d types are granted, %d are run", granted, len(all))
	}
}

// rulesGranted checks the same of rules, and returns how many have a provider
// of their own.
func rulesGranted(t *testing.T, all catalog.Providers, home grant.Home) (own int) {
	t.Helper()
	for _, known := range pipeline.RuleTypes() {
		rule := pipeline.Rule{Name: "R", TypeID: pipeline.RuleTypeID{Category: "Rule", Provider: known.Provider}}
		id := rule.Action().TypeID
		_, err := grant.ForRule(rule, home)
		_, runs := all[id]
		if runs != (err == nil) {
			t.Errorf("rule %s: a function runs it: %v; it is granted: %v", known.Provider, runs, err)
		}
		if runs && id.Category == pipeline.RuleCategory {
			own++
		}
	}
	return own
}

// What is not there fails as what it is, and never pretends.
func TestRefused(t *testing.T) {
	gate, err := approvals.New(bench(t).Store)
	if err != nil {
		t.Fatal(err)
	}
	id := catalog.AWS(pipeline.Deploy, "ElasticBeanstalk")
	p := catalog.Of(gate).Provider(id)
	job := action.Job{Action: pipeline.Action{Name: "Ship", TypeID: id}}
	for name, do := range map[string]func() (action.Result, error){
		"Start": func() (action.Result, error) { return p.Start(t.Context(), job) },
		"Poll":  func() (action.Result, error) { return p.Poll(t.Context(), job) },
	} {
		r, err := do()
		if err != nil || r.Status != pipeline.Failed || r.Error.Code != action.ConfigurationError || r.Simulated ||
			!strings.Contains(r.Error.Message, "Action Ship: provider ElasticBeanstalk (category Deploy, owner AWS, version 1) does not run in an AWS account yet; this function runs Approval/Manual") {
			t.Errorf("%s: %+v %+v, %v", name, r, r.Error, err)
		}
	}
	if err := p.Stop(t.Context(), job); err != nil {
		t.Error(err)
	}
}
