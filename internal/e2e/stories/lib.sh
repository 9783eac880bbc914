# The words that the stories are told in. A story begins with
#
#     . "$(dirname "$0")/../lib.sh"
#
# and is played against a running Sluice that has the pipeline.yaml beside it
# and never ran it. Where that is, the environment says:
#
#     AWS_ENDPOINT_URL_CODEPIPELINE   its API, and what else the AWS CLI needs
#     STORY_REPOSITORY                the repository of the pipeline's source: git pushes to it, and it is empty
#     STORY_PATIENCE                  seconds after which what has not come is missing (60)
#
# Lines of a played story that begin with "#" tell it, those with "$" are what
# was typed, and what was seen stands below, indented.

set -Eeuo pipefail
: "${AWS_ENDPOINT_URL_CODEPIPELINE:?names the API to play against; see README.md}"
: "${STORY_REPOSITORY:?names the repository to push to; see README.md}"
export AWS_PAGER= AWS_DEFAULT_OUTPUT=text LC_ALL=C

cd "$(dirname "$0")"
story=$(basename "$PWD")   # and its pipeline has the same name
scratch=$(mktemp -d)       # what builds and the story have in common
trap 'rm -rf "$scratch"' EXIT
trap '((BASH_SUBSHELL)) || fail "a command failed; what it said is above"' ERR

git init -q -b main "$scratch/code"
git -C "$scratch/code" config user.name Ada
git -C "$scratch/code" config user.email ada@example.com
git -C "$scratch/code" config commit.gpgsign false

# say TEXT... tells what comes next.
say() { printf '\n# %s\n' "$@"; }

# show COMMAND... shows a command as one would type it.
show() {
	local word line='$'
	for word; do
		case $word in
		'' | *[!A-Za-z0-9_./:=,@-]*)
			case $word in *"'"*) word="\"$word\"" ;; *) word="'$word'" ;; esac ;;
		esac
		line+=" $word"
	done
	printf '%s\n' "$line"
}

# look COMMAND... leaves what a command prints in $seen, with single spaces
# between the words. It is how all that is compared is compared.
look() {
	text=$("$@")
	seen=$(printf '%s' "$text" | tr -s '\t\n' '  ')
}

# tell prints what was seen last.
tell() { if [ -n "$text" ]; then printf '%s\n' "$text" | sed 's/^/  /'; fi; }

# run COMMAND... shows a command and what it prints.
run() {
	show "$@"
	look "$@"
	tell
}

# expect PATTERN COMMAND... runs a command that has to print just that.
expect() {
	local want=$1
	shift
	run "$@"
	# shellcheck disable=SC2053 # a pattern is meant
	[[ $seen == $want ]] || fail "expected: $want" "saw:      $seen"
}

# await PATTERN COMMAND... runs a command until it prints just that.
await() {
	local want=$1 end=$((SECONDS + ${STORY_PATIENCE:-60}))
	shift
	show "$@"
	look "$@"
	# shellcheck disable=SC2053 # a pattern is meant
	until [[ $seen == $want ]]; do
		((SECONDS < end)) || fail "waited for: $want" "saw last:   $seen"
		sleep 0.5
		look "$@"
	done
	tell
}

# refused EXCEPTION COMMAND... runs a command that has to be refused so.
refused() {
	local want=$1
	shift
	show "$@"
	if text=$("$@" 2>&1); then fail "expected: a refusal, $want" "saw:      it was done: $text"; fi
	text=${text#$'\n'}
	tell
	[[ $text == *"An error occurred ($want) when calling"* ]] || fail "expected: a refusal, $want" "saw:      $text"
}

# push MESSAGE [FILE CONTENT]... commits files and pushes them to the branch
# main. The commit is in $commit.
push() {
	local code=$scratch/code message=$1
	shift
	while (($#)); do
		printf '%s\n' "$2" >"$code/$1"
		shift 2
	done
	show git commit -m "$message"
	git -C "$code" add .
	git -C "$code" commit -q --allow-empty -m "$message"
	commit=$(git -C "$code" rev-parse HEAD)
	show git push origin main
	git -C "$code" push -q "$STORY_REPOSITORY" main
	printf '  %s\n' "$commit"
}

# fail TEXT... ends the story, loudly.
fail() {
	trap - ERR
	set +e
	{
		printf '\n%s/story.sh, line %s\n' "$story" "${BASH_LINENO[${#BASH_LINENO[@]} - 2]}"
		printf '%s\n' "$@" "" "The history says:"
		aws codepipeline list-pipeline-executions --pipeline-name "$story" --output table \
			--query 'pipelineExecutionSummaries[].[pipelineExecutionId,status,statusSummary]'
		aws codepipeline list-action-executions --pipeline-name "$story" --output table \
			--query 'actionExecutionDetails[].[pipelineExecutionId,stageName,actionName,status,output.executionResult.externalExecutionSummary]'
	} >&2
	exit 1
}
