#!/bin/sh
# Print the platform that fits this Jetson's L4T release and, where the release needs another base image, that and
# the release; or say in one line why none fits. L4T_RELEASE_FILE is another file to read, for tests.
set -eu
file=${L4T_RELEASE_FILE:-${HOST_ROOT:-}/etc/nv_tegra_release}
none() {
    echo "$1" >&2
    exit 1
}
[ -r "$file" ] || none "$file is not there: this is no Jetson; \`make platforms\` lists the other platforms"
release=$(sed -n 's/^# R\([0-9]*\) (release), REVISION: \([0-9.]*\).*/\1.\2/p' "$file" | head -n 1)
case $release in
    "") none "$file names no L4T release (expected \"# R36 (release), REVISION: 4.3, ...\")" ;;
    # JetPack 4: before r32.7 the host mounts its own libraries into a base of its release.
    32.4.3) echo jetson-jp4 nvcr.io/nvidia/l4t-pytorch:r32.4.3-pth1.6-py3 32.4.3 ;;
    32.4.4) echo jetson-jp4 nvcr.io/nvidia/l4t-pytorch:r32.4.4-pth1.6-py3 32.4.4 ;;
    32.5.0 | 32.5.1 | 32.5.2) echo jetson-jp4 nvcr.io/nvidia/l4t-pytorch:r32.5.0-pth1.7-py3 32.5.0 ;; # one base for the three
    32.6.1) echo jetson-jp4 nvcr.io/nvidia/l4t-pytorch:r32.6.1-pth1.9-py3 32.6.1 ;;
    32.7.*) echo jetson-jp4 ;;
    32.*) none "L4T r$release has no base image of its own; update to JetPack 4.6.1 or later (r32.7)" ;;
    35.*) echo jetson-jp5 ;;
    36.[0-3] | 36.[0-3].*) none "L4T r$release (JetPack 6.0) has another CUDA than the image; update to JetPack 6.1 or later (r36.4)" ;;
    36.*) echo jetson-jp6 ;;
    38.* | 39.*) echo jetson-jp7 ;;
    *) none "no image is made for L4T r$release; there are images for r32.4.3 to r32.7, r35, r36.4 and later, r38 and r39" ;;
esac
