# shellcheck shell=sh
# Sourced by the scripts of this folder: where the checkout and the cache are, and the words they share.
#   root    this checkout
#   cache   everything fetched or built from fetched things, outside the checkout and keyed by hash, so that another checkout
#           on the machine uses it too. CODEANATOMY_CACHE moves it; removing it costs time, nothing else.

# shellcheck disable=SC2034  # used by those who source this
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cache=${CODEANATOMY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/codeanatomy}
mkdir -p "$cache"

say() { printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

# The first 16 hex digits of the SHA-256 of all arguments' contents (files) after each other.
hash_files() { cat -- "$@" | sha256sum | cut -c1-16; }

# Run "$@" with the lock NAME held, so that two checkouts do not fill the same folder at once.
with_lock() {
    name=$1
    shift
    (
        flock -n 9 || { say "waiting for another run ($name)"; flock 9; }
        "$@"
    ) 9>"$cache/$name.lock"
}

# A folder appears whole or not at all: fill "$1.part" by the function $2, then move it.
make_folder() {
    [ ! -d "$1" ] || return 0
    rm -rf -- "$1.part"
    mkdir -p -- "$1.part"
    "$2" "$1.part"
    mv -- "$1.part" "$1"
}

# The sdists that requirements file $1 pins, into folder $2; pip checks the hashes.
download_sdists() {
    names=$(sed -n 's/^\([a-z0-9-]*\)==.*/\1/p' "$1" | paste -sd, -)
    python3 -m pip download --quiet --no-deps --no-binary "$names" --require-hashes --requirement "$1" --dest "$2"
}
