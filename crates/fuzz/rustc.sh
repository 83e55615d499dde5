#!/usr/bin/env bash
# rustc, which has oncospec tell libFuzzer what runs, and check arithmetic; RUSTC_WORKSPACE_WRAPPER.
set -euo pipefail
case " $* " in
*" --crate-name oncospec "* | *" --crate-name oncospec_fuzz "*)
    set -- "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares -Coverflow-checks=on -Cdebug-assertions=on
    ;;
esac
exec "$@"
