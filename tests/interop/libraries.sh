# shellcheck shell=bash
# For tests/interop/run and tests/clients/run: the programs they need, the server under test, and the client libraries
# in the versions that the folder of the tests names. The libraries come from PyPI, npm and crates.io.

fail() {
    echo "$*" >&2
    exit 1
}

# need_programs PROGRAM...
need_programs() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || fail "$program is missing"
    done
}

# absolute_program PATH: prints the path as it is from every folder.
absolute_program() {
    [[ -x $1 && ! -d $1 ]] || fail "$1 is no program: run cargo build --release, or name the server"
    echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
}

# install_libraries HERE FOLDER: what HERE/requirements.txt names into FOLDER/venv, and what HERE/package-lock.json
# names into FOLDER/node. Each is installed once, and again when the file that names its versions changes.
install_libraries() {
    local here=$1 folder=$2
    if ! cmp -s "$here/requirements.txt" "$folder/venv/requirements.txt"; then
        rm -rf "$folder/venv"
        python3 -m venv "$folder/venv"
        "$folder/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$folder/venv/requirements.txt"
    fi
    if ! cmp -s "$here/package-lock.json" "$folder/node/installed.json"; then
        mkdir -p "$folder/node"
        cp "$here/package.json" "$here/package-lock.json" "$folder/node/"
        (cd "$folder/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
        cp "$here/package-lock.json" "$folder/node/installed.json"
    fi
}

# build_rust HERE FOLDER: the tests of the Rust clients, into FOLDER/cargo.
build_rust() {
    cargo build --quiet --locked --manifest-path "$1/rust/Cargo.toml" --target-dir "$2/cargo"
}
