# The terminal of somebody who follows a guide. A line on fd 3 is `here FILE` or `apart FILE`: run that file in this very
# shell, or in a subshell, where it may fail. The end of each is marked on the output: NUL, GUIDE_RUN, `done` or `ended`,
# status, line. A command that fails here ends the shell, as `set -e` has it, but what the shell has (variables, folder,
# jobs) stays for what comes on fd 3 after that: the cleaning up.
if [[ ! -v guide_session ]]; then
  exec 2>&1
  shopt -s expand_aliases
  guide_session=${BASH_SOURCE[0]} guide_line=0
  guide_end() { printf '\0%s %s %d %d\n' "$GUIDE_RUN" "$1" "$2" "$guide_line"; }
  trap 'if [[ ${BASH_SOURCE[0]} != "$guide_session" ]]; then guide_line=$LINENO; fi' ERR
  # Also out of a loop, whose commands alone would be ended by a signal.
  trap 'exit 143' TERM
  trap 'guide_status=$?; trap - EXIT; guide_end ended "$guide_status"; source "$guide_session"' EXIT
fi
while IFS=' ' read -r -u 3 guide_how guide_file; do
  guide_line=0 guide_status=0
  set -Eeuo pipefail
  if [[ $guide_how == apart ]]; then
    # Within `||` and `if`, `set -e` would mean nothing.
    set +e
    (
      set -e
      source "$guide_file"
    )
    guide_status=$?
    set -e
  else
    source "$guide_file"
  fi
  guide_end done "$guide_status"
done
