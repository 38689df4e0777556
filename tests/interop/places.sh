# shellcheck shell=sh
# For run.sh of tests/interop, tests/chaos and tests/soak, which source this at the root of the checkout: where the library
# was built and installed, in RELEASE_DIR and STAGE.
target=${CARGO_TARGET_DIR:-target}
RELEASE_DIR=$(realpath "${RELEASE_DIR:-$target/release}")
STAGE=$(realpath "${STAGE:-$target/stage}")
# Byte code goes to the build folder, never beside the sources.
PYTHONPYCACHEPREFIX=$target/pycache
export RELEASE_DIR STAGE PYTHONPYCACHEPREFIX
