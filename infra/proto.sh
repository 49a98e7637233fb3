#!/usr/bin/env bash
# The protos' tools in one place: `generate` writes proto/gen, `fresh` proves it is what the protos say,
# `breaking` compares the protos with those of an earlier commit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/node_modules/.bin:$PATH"

generate_into() {
  buf generate proto --template proto/buf.gen.yaml --output "$1"
  buf build proto --output "$1/gen/descriptors.binpb" --as-file-descriptor-set --exclude-source-info
}

fresh() {
  local into
  into=$(mktemp -d)
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$into'" EXIT
  generate_into "$into"
  diff --recursive --brief proto/gen "$into/gen" || {
    echo 'proto/gen is not what the protos say: run make gen' >&2
    return 1
  }
}

# The commit whose clients must still be served: where this branch left the remote's main branch, else the one before.
earlier_commit() {
  local commit
  commit=$(git merge-base HEAD refs/remotes/origin/main 2>/dev/null) || commit=''
  if [[ -z $commit || $commit == "$(git rev-parse HEAD)" ]]; then
    commit=$(git rev-parse --verify --quiet 'HEAD~1^{commit}') || return 1
  fi
  printf '%s\n' "$commit"
}

breaking() {
  local commit
  if ! git rev-parse --verify --quiet HEAD >/dev/null 2>&1; then
    echo 'breaking changes: not looked for, this is no git checkout'
  elif ! commit=$(earlier_commit); then
    echo 'breaking changes: not looked for, there is no earlier commit'
  elif ! git cat-file -e "$commit:proto/buf.yaml" 2>/dev/null; then
    echo "breaking changes: not looked for, commit ${commit:0:10} has no protos"
  else
    buf breaking proto --against ".git#ref=$commit,subdir=proto"
  fi
}

case ${1-} in
  generate) generate_into proto ;;
  fresh) fresh ;;
  breaking) breaking ;;
  *)
    echo 'usage: infra/proto.sh generate|fresh|breaking' >&2
    exit 2
    ;;
esac
