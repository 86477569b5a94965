"""The files of a submission that do the work, plain enough to be read, kept and edited: a table of tasks and one script for all of them."""

import shlex
from pathlib import Path

from analysis.fleet.tasks import Submission
from runner.files import atomic_write

# tasks.tsv: number, platform, what the runner copies into its records, ids of the cells
TASK = r"""#!/bin/bash
# Do one task of this submission: task.sh NUMBER. Written by `dyno fleet`; edit it as you like.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
number=$1
IFS=$'\t' read -r _ platform task cells < <(awk -F '\t' -v n="$number" '$1 == n' "$here/tasks.tsv")
node=${DYNO_HOST:-${SLURMD_NODENAME:-$(hostname)}}
results=${DYNO_FLEET_RESULTS:-@RESULTS@}
out=$results/tasks/@SUBMISSION@/$number
label=dyno.node=$node
say() { echo "task $number on $node: $*" >&2; }

mkdir -p "$out" "$results/cache" && touch "$out/.clock" || { say "can't write to $results: see that the volume is mounted and has space"; exit 1; }
# the volume's server dates what is written to it; on a local disk both clocks are this node's
apart=$(($(date +%s) - $(stat --format=%Y "$out/.clock"))) && [ "${apart#-}" -gt 60 ] &&
    say "the clock of this node is $apart s from the volume's: times in its records are wrong, their order is kept"
case $platform in
@PLATFORMS@
*) say "platform $platform is not in this script"; exit 2 ;;
esac

# no container of an earlier task stays on the node, and none of this one
sweep() {
    case $runtime in docker | podman) old=$($runtime ps --all --quiet --filter "label=$label") && [ -n "$old" ] && $runtime rm --force $old >/dev/null ;; esac
    return 0
}
sweep
trap sweep EXIT
trap 'exit 143' TERM INT

case $runtime in
docker | podman)
    $runtime image inspect "$image" >/dev/null 2>&1 || { say "image $image is not here: $runtime pull or build it on this node"; exit 1; }
    [ $runtime = podman ] || flags="--init $flags" # podman's needs a package more
    $runtime run --rm --no-healthcheck --label "$label" --hostname "$node" --user "$(id -u):$(id -g)" --env DYNO_HOST="$node" --env DYNO_TASK="$task" \
        --volume "$out:/results" --volume "$results/cache:/results/cache" --volume "$here/matrix.yaml:/matrix.yaml:ro" \
        $flags "$image" run @PROFILE@ --only "id=$cells" &
    ;;
apptainer)
    [ -e "$image" ] || { say "image $image is not here: apptainer build it on this node"; exit 1; }
    # by variables of its own: --env would cut the task at its commas
    export APPTAINERENV_DYNO_HOST=$node APPTAINERENV_DYNO_TASK=$task APPTAINERENV_DYNO_RESULTS=/results APPTAINERENV_DYNO_MATRIX=/matrix.yaml
    apptainer run --bind "$out:/results,$results/cache:/results/cache,$here/matrix.yaml:/matrix.yaml" $flags "$image" run @PROFILE@ --only "id=$cells" &
    ;;
none)
    DYNO_HOST=$node DYNO_TASK=$task DYNO_PLATFORM=$platform DYNO_DEVICES=$devices \
        $command run --matrix "$here/matrix.yaml" --results "$out" --cache "$results/cache" @PROFILE@ --only "id=$cells" &
    ;;
esac
wait $!
status=$?
[ $status = 0 ] || say "ended with $status; what was measured is kept, \`dyno fleet reconcile\` submits it again"
exit $status
"""


def write(submission: Submission, profile: str | None) -> None:
    """Write tasks.tsv and task.sh into the submission's folder."""
    folder = Path(submission.folder)
    rows = [f"{task.number}\t{task.platform}\t{task.as_text()}\t{','.join(task.cells)}" for task in submission.tasks]
    atomic_write(folder / "tasks.tsv", "\n".join(rows) + "\n")
    cases = []
    for one in submission.platforms:
        facts = {"runtime": one.runtime, "image": one.image, "flags": one.flags, "command": one.command, "devices": ",".join(one.devices)}
        cases.append(f"{shlex.quote(one.name)}) " + " ".join(f"{name}={shlex.quote(value)}" for name, value in facts.items()) + " ;;")
    text = TASK.replace("@PLATFORMS@", "\n".join(cases)).replace("@SUBMISSION@", submission.name)
    text = text.replace("@RESULTS@", shlex.quote(submission.results)).replace(
        "@PROFILE@", f"--profile {shlex.quote(profile)}" if profile else ""
    )
    script = folder / "task.sh"
    atomic_write(script, text)
    script.chmod(0o755)
