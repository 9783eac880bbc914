// Package mapping says what the names of an AWS account stand for on this
// machine: repositories, buckets, build projects, secrets. It is read from
// sluice.local.yaml and from flags; a Mapping is never changed after that.
package mapping

// A Mapping translates names. Paths are absolute once it was read.
type Mapping struct {
	Repositories map[string]Repository `yaml:"repositories"` // by CodeCommit RepositoryName or owner/repo
	Buckets      map[string]string     `yaml:"buckets"`      // S3 bucket -> folder
	Projects     map[string]Project    `yaml:"projects"`     // CodeBuild ProjectName
	Secrets      string                `yaml:"secrets"`      // file of secrets and parameters, mode 0600
	Sources      map[string]string     `yaml:"-"`            // source action name -> repository or folder, from --source
}

// A Repository is a git repository on this machine.
type Repository struct {
	Path string `yaml:"path"` // bare or with a work tree; "name: ../path" is short for it
}

// A Project is what CodeBuild would know of a build project.
type Project struct {
	Buildspec   string                `yaml:"buildspec"` // a path in the source, or the text itself; default buildspec.yml
	Environment map[string]string     `yaml:"environment"`
	Variables   []EnvironmentVariable `yaml:"variables"` // typed form of Environment
	Image       string                `yaml:"image"`     // informative: builds run in the shell of this machine
	Cache       []string              `yaml:"cache"`
	Timeout     int                   `yaml:"timeoutInMinutes"` // 5 to 2160, 60 when left out
}

// An EnvironmentVariable of a project. Type is PLAINTEXT, PARAMETER_STORE or
// SECRETS_MANAGER.
type EnvironmentVariable struct {
	Name  string `yaml:"name" json:"name"`
	Value string `yaml:"value" json:"value"`
	Type  string `yaml:"type" json:"type,omitempty"`
}
