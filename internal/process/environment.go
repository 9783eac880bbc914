package process

import (
	"slices"
	"strings"
)

// passed names what children may see of this process's environment: how to
// find tools, caches and proxies. HOME is among them because caches and tool
// configuration live there; that commands can read the user's files is said
// in the package comment.
var passed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
	"GOPATH", "GOROOT", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOTOOLCHAIN",
	"JAVA_HOME", "M2_HOME", "MAVEN_OPTS", "GRADLE_USER_HOME", "ANDROID_HOME", "DOTNET_ROOT",
	"CARGO_HOME", "RUSTUP_HOME", "GEM_HOME", "NVM_DIR", "PYENV_ROOT", "VIRTUAL_ENV",
	"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DOCKER_HOST",
}

// passedPrefixes are families of names that are passed whole.
var passedPrefixes = []string{"LC_", "npm_config_", "NPM_CONFIG_", "PIP_", "UV_"}

// Environment returns what children get of host, an environment as os.Environ
// returns it, plus the names in also.
//
// Credentials of AWS are not passed, and the user's AWS profiles are put out
// of reach of the tools that would find them in HOME: a build that was meant
// for another account must not act on the one the user happens to be signed
// in to. Naming any AWS_ variable in also lifts that.
func Environment(host []string, also []string) []string {
	env := make([]string, 0, 16)
	aws := slices.ContainsFunc(also, func(name string) bool { return strings.HasPrefix(name, "AWS_") })
	for _, v := range host {
		name, _, ok := strings.Cut(v, "=")
		if !ok || name == MarkName {
			continue
		}
		if slices.Contains(passed, name) || slices.Contains(also, name) ||
			slices.ContainsFunc(passedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			env = append(env, v)
		}
	}
	if !aws {
		env = append(env, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true")
	}
	return append(env, "TERM=dumb")
}
