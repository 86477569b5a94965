# The published images: `docker buildx bake` builds what the Makefile builds, for every architecture, with labels, SBOM and provenance.
#   docker buildx bake --print           what would be built
#   VERSION=0.2.0 REGISTRY=ghcr.io/owner docker buildx bake --push
# A test compares each target with what make builds.
variable "REGISTRY" {
  default = "dyno"
}
variable "VERSION" {
  default = "0+unknown"
}
variable "REVISION" {
  default = "unknown"
}
# Address of the sources, and when they are of.
variable "SOURCE" {
  default = ""
}
variable "CREATED" {
  default = ""
}

group "default" {
  targets = ["cpu", "openvino", "ncs2", "cuda", "jetson-jp4", "jetson-jp5", "jetson-jp6", "jetson-jp7", "host"]
}

target "common" {
  context = "."
  args = {
    VERSION  = VERSION
    REVISION = REVISION
  }
  labels = {
    "org.opencontainers.image.source"  = SOURCE
    "org.opencontainers.image.url"     = SOURCE
    "org.opencontainers.image.created" = CREATED
  }
  attest = ["type=sbom", "type=provenance,mode=max"]
}

target "cpu" {
  inherits   = ["common"]
  dockerfile = "docker/cpu/Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  tags       = ["${REGISTRY}/dyno-cpu:${VERSION}", "${REGISTRY}/dyno-cpu:${REVISION}"]
  labels = {
    "org.opencontainers.image.base.name"   = "python:3.11-slim-bookworm"
    "org.opencontainers.image.base.digest" = "sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b"
  }
}

target "openvino" {
  inherits   = ["common"]
  dockerfile = "docker/openvino/Dockerfile"
  platforms  = ["linux/amd64"]
  tags       = ["${REGISTRY}/dyno-openvino:${VERSION}", "${REGISTRY}/dyno-openvino:${REVISION}"]
  labels = {
    "org.opencontainers.image.base.name" = "openvino/ubuntu24_runtime:2026.4.0"
  }
}

target "ncs2" {
  inherits   = ["common"]
  dockerfile = "docker/ncs2/Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  tags       = ["${REGISTRY}/dyno-ncs2:${VERSION}", "${REGISTRY}/dyno-ncs2:${REVISION}"]
}

target "cuda" {
  inherits   = ["common"]
  dockerfile = "docker/cuda/Dockerfile"
  platforms  = ["linux/amd64"]
  tags       = ["${REGISTRY}/dyno-cuda:${VERSION}", "${REGISTRY}/dyno-cuda:${REVISION}"]
  labels = {
    "org.opencontainers.image.base.name"   = "pytorch/pytorch:2.13.0-cuda12.6-cudnn9-runtime"
    "org.opencontainers.image.base.digest" = "sha256:6acf597eeb8e376a96580dde4952f37cc017fef732bb40bfc73f28f25e3f64b4"
  }
}

target "jetson-jp4" {
  inherits   = ["common"]
  dockerfile = "docker/jetson-jp4/Dockerfile"
  platforms  = ["linux/arm64"]
  tags       = ["${REGISTRY}/dyno-jetson-jp4:${VERSION}", "${REGISTRY}/dyno-jetson-jp4:${REVISION}"]
  labels = {
    "org.opencontainers.image.base.name" = "nvcr.io/nvidia/l4t-pytorch:r32.7.1-pth1.10-py3"
  }
}

target "jetson-jp5" {
  inherits   = ["common"]
  dockerfile = "docker/jetson-jp5/Dockerfile"
  platforms  = ["linux/arm64"]
  tags       = ["${REGISTRY}/dyno-jetson-jp5:${VERSION}", "${REGISTRY}/dyno-jetson-jp5:${REVISION}"]
  labels = {
    "org.opencontainers.image.base.name" = "nvcr.io/nvidia/l4t-jetpack:r35.4.1"
  }
}

target "jetson-jp6" {
  inherits   = ["common"]
  dockerfile = "docker/jetson-jp6/Dockerfile"
  platforms  = ["linux/arm64"]
  tags       = ["${REGISTRY}/dyno-jetson-jp6:${VERSION}", "${REGISTRY}/dyno-jetson-jp6:${REVISION}"]
  labels = {
    "org.opencontainers.image.base.name"   = "nvcr.io/nvidia/l4t-jetpack:r36.4.0"
    "org.opencontainers.image.base.digest" = "sha256:34ccf0f3b63c6da9eee45f2e79de9bf7fdf3beda9abfd72bbf285ae9d40bb673"
  }
}

target "jetson-jp7" {
  inherits   = ["common"]
  dockerfile = "docker/jetson-jp7/Dockerfile"
  platforms  = ["linux/arm64"]
  tags       = ["${REGISTRY}/dyno-jetson-jp7:${VERSION}", "${REGISTRY}/dyno-jetson-jp7:${REVISION}"]
  labels = {
    "org.opencontainers.image.base.name" = "nvcr.io/nvidia/pytorch:26.05-py3"
  }
}

target "host" {
  inherits   = ["common"]
  dockerfile = "docker/host/Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  tags       = ["${REGISTRY}/dyno-host:${VERSION}", "${REGISTRY}/dyno-host:${REVISION}"]
  labels = {
    "org.opencontainers.image.base.name" = "python:3.12-slim-bookworm"
  }
}
