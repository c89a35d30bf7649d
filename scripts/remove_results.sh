#!/bin/sh
# Remove everything in results/ but the fetched originals, the names that people gave to clusters, the journals of moved
# photographs, and what a team's server holds, after a question:
# sh scripts/remove_results.sh
# YES=1 removes without one. Single sweeps: backbench sweeps rm; space of the store: backbench store gc.
set -eu

kept="! -name README.md ! -name downloads ! -name labels ! -name organise ! -name server"

list() {
  # shellcheck disable=SC2086 (options, one word each)
  find results/ -mindepth 1 -maxdepth 1 $kept
  find . -mindepth 1 -maxdepth 1 -name .snakemake
}

if [ -z "$(list)" ]; then
  echo "there are no results"
  exit 0
fi
if command -v flock >/dev/null && [ -f results/.lock ] && ! flock -n results/.lock true; then
  echo "nothing was removed: a sweep runs here; look at it with backbench status" >&2
  exit 2
fi
list | while IFS= read -r path; do du -sh -- "$path"; done
if [ "${YES:-}" != 1 ]; then
  if [ ! -t 0 ]; then
    echo "nothing was removed: nobody can be asked here. To remove all of this, type: make clean YES=1" >&2
    exit 2
  fi
  printf 'Remove all of this? Fetched originals and names of clusters stay. [y/N] '
  read -r answer || answer=
  case $answer in
    y | Y | yes) ;;
    *)
      echo "nothing was removed"
      exit 1
      ;;
  esac
fi
# shellcheck disable=SC2086
find results/ -mindepth 1 -maxdepth 1 $kept -exec rm -rf {} +
rm -rf .snakemake
