#!/bin/sh
# Installs the Debian packages that tests use (tools/test-needs.txt) and that are not there yet. Tests whose tools are
# missing say so and are skipped; so what cannot be installed is told here, and is no failure.
set -eu
list=$(dirname "$0")/test-needs.txt

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	echo "test needs: no apt here; tests that need one of $(tr '\n' ' ' <"$list")may be skipped" >&2
	exit 0
fi
missing=
for package in $(grep -v '^#' "$list"); do
	state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
	[ "$state" = 'install ok installed' ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "test needs: not installed, and only root can install them:$missing" >&2
	exit 0
fi

echo "test needs: installing$missing" >&2
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
made_policy=
trap 'rm -f "$log"; [ -z "$made_policy" ] || rm -f "$policy"' EXIT
trap 'exit 1' HUP INT TERM
# Some of them are servers; none is to be started.
if [ ! -e "$policy" ]; then
	made_policy=1
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
install() {
	apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@" </dev/null >"$log" 2>&1
}
apt-get update -qq </dev/null >"$log" 2>&1 || tail -n 3 "$log" >&2
# shellcheck disable=SC2086 # one word for each package
if ! install $missing; then
	for package in $missing; do # one that a distribution does not have is not to keep the others away
		install "$package" || { echo "test needs: cannot install $package:" >&2 && tail -n 2 "$log" >&2; }
	done
fi
