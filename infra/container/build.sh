#!/bin/sh
# Builds what the image runs, in a virtual environment without pip: build.sh SOURCE TARGET
# The Dockerfile calls it, and so does scripts/check-image.
set -eu
source=$1
target=$2
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Only the simulator speaks with eSpeak (21 MB), and nothing simulated runs in the image; setuptools is for building.
unneeded="espeakng-loader setuptools"

# The lock's entries of these packages, or of all others: entries yes|no NAMES
entries() {
    awk -v wanted="$1" -v names="$2" '
        BEGIN { count = split(names, list, " "); for (i = 1; i <= count; i++) named[list[i]] = 1 }
        /^[A-Za-z0-9]/ { split($0, part, /[=;[ ]/); take = ((part[1] in named) ? "yes" : "no") == wanted }
        take' "$source/requirements.lock"
}
pip_of() {
    environment=$1
    shift
    "$python" -m pip --python "$environment/bin/python" --quiet --disable-pip-version-check "$@"
}
# Wheels alone: the image has no compiler, and a source package runs code of its own while it is built.
install_locked() { pip_of "$1" install --no-deps --no-compile --require-hashes --only-binary=:all: -r "$2"; }

entries yes setuptools >"$work/tools.lock"
"$python" -m venv --without-pip "$work/tools"
install_locked "$work/tools" "$work/tools.lock"
pip_of "$work/tools" wheel --no-deps --no-build-isolation --no-index --wheel-dir "$work" "$source"

entries no "$unneeded" >"$work/runtime.lock"
"$python" -m venv --without-pip "$target"
install_locked "$target" "$work/runtime.lock"
pip_of "$target" install --no-deps --no-compile --no-index "$work"/frontdesk-*.whl

# Much is imported only when it is needed; what is missing must be known before that.
broken=$("$python" -m pip --python "$target/bin/python" --disable-pip-version-check check | grep -v " requires espeakng-loader, " || true)
[ -z "$broken" ] || { printf '%s\n' "$broken" >&2; exit 1; }

# Nothing can be compiled later, since the tree is read-only. Unchecked: whatever copying does to times, it stays valid.
"$target/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$target/lib"
"$target/bin/frontdesk" --version
"$target/bin/python" -c 'import frontdesk.serve, frontdesk.workers'
