package buildspec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

func (p *parser) variables(n node) []Variable {
	var vs []Variable
	for _, f := range p.fields(n) {
		v := p.resolve(f.value)
		switch {
		case !identifier.MatchString(f.key):
			p.fail(f.value, "cannot be the name of an environment variable")
		case strings.HasPrefix(f.key, "CODEBUILD_"):
			p.fail(f.value, "names that begin with CODEBUILD_ are reserved")
		case v.Tag == "!!null":
			vs = append(vs, Variable{f.key, ""})
		default:
			vs = append(vs, Variable{f.key, p.text(f.value)})
		}
	}
	return vs
}

func (p *parser) spec(n node) *Spec {
	s := &Spec{}
	fields := p.fields(n)
	for _, f := range fields {
		if f.key == "version" {
			s.Version = Version(p.text(f.value))
			if s.Version != V01 && s.Version != V02 {
				p.fail(f.value, "has to be 0.2 or 0.1, not %q", s.Version)
			}
		}
	}
	if s.Version == "" {
		p.fail(n, "version is missing: write version: 0.2")
	}
	found := false
	for _, f := range fields {
		switch {
		case f.key == "version":
		case f.key == "env" && s.Version == V02:
			p.env(s, f.value)
		case f.key == "environment_variables" && s.Version == V01:
			for _, g := range p.fields(f.value) {
				if g.key == "plaintext" {
					s.Env.Variables = p.variables(g.value)
				} else {
					p.fail(g.value, "is not known in version 0.1")
				}
			}
		case f.key == "phases":
			found = true
			p.phases(s, f.value)
		case f.key == "artifacts":
			s.Artifacts = p.artifacts(f.value)
		case f.key == "cache":
			for _, g := range p.fields(f.value) {
				switch g.key {
				case "paths":
					s.Cache = p.list(g.value)
				case "key", "fallback-keys", "action", "type":
				default:
					p.fail(g.value, "is not known")
				}
			}
		case f.key == "run-as", f.key == "proxy", f.key == "reports":
			s.Ignored = append(s.Ignored, f.key)
		case f.key == "batch":
			p.fail(f.value, "batch builds cannot run here: give each build an action of its own")
		default:
			p.fail(f.value, "is not known")
		}
	}
	if !found {
		p.fail(n, "phases are missing")
	}
	return s
}

func (p *parser) env(s *Spec, n node) {
	for _, f := range p.fields(n) {
		switch f.key {
		case "shell":
			switch shell := p.text(f.value); shell {
			case "bash", "/bin/bash":
				s.Env.Shell = "bash"
			case "sh", "/bin/sh":
			default:
				p.fail(f.value, "has to be bash or /bin/sh here, not %q", shell)
			}
		case "variables":
			s.Env.Variables = p.variables(f.value)
		case "parameter-store":
			s.Env.Parameters = p.variables(f.value)
		case "secrets-manager":
			s.Env.Secrets = p.variables(f.value)
		case "exported-variables":
			s.Env.Exported = p.list(f.value)
			for i, name := range s.Env.Exported {
				if !identifier.MatchString(name) {
					p.fail(node{f.value.Node, fmt.Sprintf("%s[%d]", f.value.path, i)}, "%q cannot be the name of an environment variable", name)
				}
			}
		case "git-credential-helper":
			if p.yes(f.value) {
				s.Ignored = append(s.Ignored, "env.git-credential-helper")
			}
		default:
			p.fail(f.value, "is not known")
		}
	}
}

func (p *parser) phases(s *Spec, n node) {
	for _, f := range p.fields(n) {
		i := slices.Index(Phases[:], PhaseName(f.key))
		if i < 0 {
			p.fail(f.value, "is not a phase: the phases are install, pre_build, build and post_build")
			continue
		}
		for _, g := range p.fields(f.value) {
			switch {
			case g.key == "commands":
				s.Phases[i].Commands = p.list(g.value)
			case g.key == "finally":
				s.Phases[i].Finally = p.list(g.value)
			case g.key == "on-failure":
				s.Phases[i].OnFailure = p.onFailure(g.value)
			case g.key == "runtime-versions":
				for _, h := range p.fields(g.value) {
					s.Ignored = append(s.Ignored, fmt.Sprintf("runtime-versions: %s %s", h.key, p.text(h.value)))
				}
			case g.key == "run-as":
				s.Ignored = append(s.Ignored, g.value.path+": "+p.text(g.value))
			default:
				p.fail(g.value, "is not known")
			}
		}
	}
}

func (p *parser) onFailure(n node) OnFailure {
	s := strings.ToUpper(p.text(n))
	switch {
	case s == string(Abort), s == string(Continue):
		return OnFailure(s)
	case strings.HasPrefix(s, "RETRY"):
		p.fail(n, "%s: retries of a phase are not supported here; retry in the command, or use ABORT or CONTINUE", s)
	default:
		p.fail(n, "has to be ABORT or CONTINUE, not %q", s)
	}
	return ""
}

var artifactIdentifier = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

func (p *parser) artifacts(n node) *Artifacts {
	a := &Artifacts{}
	for _, f := range p.fields(n) {
		switch {
		case f.key == "secondary-artifacts":
			a.Secondary = map[string]Fileset{}
			for _, g := range p.fields(f.value) {
				if !artifactIdentifier.MatchString(g.key) {
					p.fail(g.value, "identifier must contain only alphanumeric characters and underscores")
				}
				var set Fileset
				for _, h := range p.fields(g.value) {
					p.fileset(&set, h)
				}
				if len(set.Files) == 0 {
					p.fail(g.value, "files are missing")
				}
				a.Secondary[g.key] = set
			}
		case f.key == "name":
			a.Name = p.text(f.value)
		default:
			p.fileset(&a.Fileset, f)
		}
	}
	if len(a.Files) == 0 && len(a.Secondary) == 0 {
		p.fail(n, "files are missing")
	}
	return a
}

func (p *parser) fileset(set *Fileset, f field) {
	switch f.key {
	case "files":
		set.Files = p.list(f.value)
	case "exclude-paths":
		set.Exclude = p.list(f.value)
	case "base-directory":
		set.Base = p.text(f.value)
	case "discard-paths":
		set.Discard = p.yes(f.value)
	case "enable-symlinks":
		set.Symlinks = p.yes(f.value)
	case "name", "s3-prefix":
		p.text(f.value) // CodePipeline says where its artifacts are kept
	default:
		p.fail(f.value, "is not known")
	}
}
