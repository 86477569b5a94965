#!/usr/bin/env bash
# A real Kubernetes 1.20 of three nodes on one Debian 12 machine, as root, to run `dyno fleet submit --engine kubernetes --no-indexed` on.
# By hand and outside CI: it builds Debian's source package, some minutes of two cores.
#   kubernetes_1_20.sh build FOLDER          the programs, into FOLDER/bin
#   kubernetes_1_20.sh up FOLDER             a control plane, nodes k1 k2 k3 (a Docker daemon and a kubelet each), the claim dyno-results on FOLDER/volume
#   kubernetes_1_20.sh load FOLDER IMAGE     copy an image of this machine's Docker to every node
#   kubernetes_1_20.sh down FOLDER           stop all of it
# FOLDER/bin/kubectl --kubeconfig FOLDER/kubeconfig talks to it.
set -euo pipefail
folder=$(mkdir -p "$2" && cd "$2" && pwd)
cd "$folder"
nodes=(k1 k2 k3)

build() {
    apt-get install -q -y --no-install-recommends golang-go etcd-server dpkg-dev gcc libc6-dev containernetworking-plugins >/dev/null
    mkdir -p lists parts go/src/k8s.io
    sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >parts/debian.sources # where this machine's packages come from
    local apt=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$folder/parts" -o "Dir::State::lists=$folder/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
    apt-get "${apt[@]}" update -q >/dev/null
    apt-get "${apt[@]}" source --download-only -q kubernetes >/dev/null
    dpkg-source --no-check -x ./*.dsc go/src/k8s.io/kubernetes >/dev/null
    export GOPATH=$folder/go GO111MODULE=off GOFLAGS='' GOCACHE=$folder/gocache
    cd go/src/k8s.io/kubernetes
    # the one generated file that the source lacks: the API's own description
    go build -o "$folder/bin/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    local staged own
    staged=$(cd vendor && grep -rl --include=*.go '^// *+k8s:openapi-gen=' k8s.io/*/ | xargs -n 1 dirname | sort -u | grep -v -E '/test/|testdata|k8s.io/(sample|code-gen|gengo|kube-openapi|kubernetes)' | sed 's#^#k8s.io/kubernetes/vendor/#')
    own=$(grep -rl --include=*.go '^// *+k8s:openapi-gen=' pkg cmd | xargs -n 1 dirname | sort -u | sed 's#^#k8s.io/kubernetes/#')
    "$folder/bin/openapi-gen" --go-header-file hack/boilerplate/boilerplate.generatego.txt --output-file-base zz_generated.openapi --output-base "$GOPATH/src" \
        --output-package k8s.io/kubernetes/pkg/generated/openapi --report-filename "$folder/openapi-report" --input-dirs "$(echo $staged $own | tr ' ' ',')"
    local version=k8s.io/kubernetes/vendor/k8s.io/component-base/version
    go build -ldflags "-s -w -X $version.gitVersion=v1.20.2 -X $version.gitMajor=1 -X $version.gitMinor=20" -o "$folder/bin/" \
        ./cmd/kube-apiserver ./cmd/kube-controller-manager ./cmd/kube-scheduler ./cmd/kubelet ./cmd/kubectl
}

start() { # NAME COMMAND...
    local name=$1
    shift
    nohup "$@" >"$name.log" 2>&1 &
    echo $! >"$name.pid"
}

until_it_works() { # COMMAND...
    for _ in $(seq 120); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.5
    done
    echo "$*: not within a minute; the logs are in $folder" >&2
    exit 1
}

up() {
    openssl genrsa -out service.key 2048 2>/dev/null
    echo "$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' '),admin,admin,system:masters" >tokens.csv
    start etcd etcd --data-dir etcd --listen-client-urls http://127.0.0.1:22379 --advertise-client-urls http://127.0.0.1:22379 --listen-peer-urls http://127.0.0.1:22380
    start apiserver bin/kube-apiserver --etcd-servers=http://127.0.0.1:22379 --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port=26443 --cert-dir=certificates/api \
        --service-account-key-file=service.key --service-account-signing-key-file=service.key --service-account-issuer=https://localhost --authorization-mode=AlwaysAllow \
        --token-auth-file=tokens.csv --disable-admission-plugins=ServiceAccount --service-cluster-ip-range=10.123.0.0/24 --endpoint-reconciler-type=none \
        --kubelet-preferred-address-types=InternalIP
    cat >kubeconfig <<END
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://127.0.0.1:26443", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: "$(cut -d , -f 1 tokens.csv)"}}]
contexts: [{name: here, context: {cluster: here, user: admin}}]
current-context: here
END
    until_it_works bin/kubectl --kubeconfig kubeconfig get --raw /readyz
    start controllers bin/kube-controller-manager --kubeconfig=kubeconfig --bind-address=127.0.0.1 --secure-port=26257 --port=0 --cert-dir=certificates/controllers --leader-elect=false
    start scheduler bin/kube-scheduler --kubeconfig=kubeconfig --bind-address=127.0.0.1 --secure-port=26259 --port=0 --cert-dir=certificates/scheduler --leader-elect=false
    # runc where CAP_SYS_RESOURCE is missing: what a container may not lower is left out
    cat >runtime <<'END'
#!/usr/bin/python3
import json, os, shutil, sys
if "create" in sys.argv and "--bundle" in sys.argv:
    path = os.path.join(sys.argv[sys.argv.index("--bundle") + 1], "config.json")
    with open(path) as file:
        config = json.load(file)
    config["process"].pop("oomScoreAdj", None)
    config["process"].pop("rlimits", None)
    with open(path, "w") as file:
        json.dump(config, file)
os.execv(shutil.which("runc") or "/usr/sbin/runc", ["runc", *sys.argv[1:]])
END
    chmod +x runtime
    printf '#include <stdlib.h>\n#include <signal.h>\n#include <sys/wait.h>\n#include <unistd.h>\nstatic void end(int s) { exit(0); }\nint main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) if (wait(NULL) < 0) usleep(200000); }\n' >pause.c
    gcc -static -Os -o pause pause.c
    local number=0 node
    for node in "${nodes[@]}"; do
        number=$((number + 1))
        mkdir -p "$node/network"
        start "$node-docker" dockerd --host "unix://$folder/$node/docker.sock" --pidfile "$folder/$node/docker.pid" --data-root "$folder/$node/data" --exec-root "$folder/$node/exec" \
            --iptables=false --bridge=none --storage-driver=overlay2 --add-runtime "lowered=$folder/runtime" --default-runtime lowered
        until_it_works docker --host "unix://$folder/$node/docker.sock" info
        tar -c pause | docker --host "unix://$folder/$node/docker.sock" import --change 'ENTRYPOINT ["/pause"]' - pause:1 >/dev/null
        echo '{"cniVersion": "0.3.1", "name": "pods", "type": "ptp", "ipam": {"type": "host-local", "subnet": "10.222.'$number'.0/24", "dataDir": "'"$folder/$node"'/addresses"}}' >"$node/network/pods.conf"
        cat >"$node/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $((21250 + number))
readOnlyPort: 0
healthzPort: $((21350 + number))
failSwapOn: false
cgroupsPerQOS: false
enforceNodeAllocatable: []
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
evictionHard: {memory.available: 100Mi}
END
        start "$node-kubelet" bin/kubelet --kubeconfig=kubeconfig --config="$node/kubelet.yaml" --hostname-override="$node" --node-ip=127.0.0.1 --root-dir="$folder/$node/kubelet" \
            --cert-dir="$node/certificates" --container-runtime=docker --docker-endpoint="unix://$folder/$node/docker.sock" --pod-infra-container-image=pause:1 --oom-score-adj=0 \
            --network-plugin=cni --cni-conf-dir="$folder/$node/network" --cni-bin-dir=/usr/lib/cni --cni-cache-dir="$folder/$node/networks"
        until_it_works bin/kubectl --kubeconfig kubeconfig get node "$node"
    done
    bin/kubectl --kubeconfig kubeconfig wait --for=condition=Ready --timeout=90s node "${nodes[@]}"
    mkdir -p -m 1777 volume
    bin/kubectl --kubeconfig kubeconfig apply --filename - <<END
apiVersion: v1
kind: PersistentVolume
metadata: {name: dyno-results}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteMany], hostPath: {path: "$folder/volume"}, claimRef: {namespace: default, name: dyno-results}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: dyno-results}
spec: {accessModes: [ReadWriteMany], storageClassName: "", volumeName: dyno-results, resources: {requests: {storage: 1Gi}}}
END
}

load() { # IMAGE
    for node in "${nodes[@]}"; do docker save "$1" | docker --host "unix://$folder/$node/docker.sock" load; done
}

down() {
    for name in k1-kubelet k2-kubelet k3-kubelet scheduler controllers apiserver etcd; do
        if [ -f "$name.pid" ]; then kill "$(cat "$name.pid")" 2>/dev/null || true; fi
    done
    for node in "${nodes[@]}"; do
        docker --host "unix://$folder/$node/docker.sock" ps --quiet --all | xargs -r docker --host "unix://$folder/$node/docker.sock" rm --force >/dev/null || true
        if [ -f "$node-docker.pid" ]; then kill "$(cat "$node-docker.pid")" 2>/dev/null || true; fi
    done
    grep "$folder/" /proc/mounts | cut -d ' ' -f 2 | sort -r | xargs -r -n 1 umount || true
}

case $1 in
build | up | down) "$1" ;;
load) load "$3" ;;
*) sed -n 's/^#   //p' "$0" >&2 && exit 2 ;;
esac
