"""Facts of machines: real boards' trees, this machine, installed software without importing it, GPUs by NVML and nvidia-smi."""

import json
import os
import subprocess
import sys

import pytest
import trees

from runner.machine import board, environment, gpus, sysfs


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in (
        "DYNO_PLATFORM",
        "DYNO_DEVICES",
        "DYNO_IMAGE",
        "DYNO_IMAGE_DIGEST",
        "DYNO_BOARD",
        "DYNO_POWER_MODE",
        "KUBERNETES_SERVICE_HOST",
    ):
        monkeypatch.delenv(name, raising=False)


def test_this_machine_can_be_described_as_json():
    facts = json.loads(json.dumps(environment.describe()))
    assert facts["cpus"] >= 1 and facts["memory_bytes"] > 2**28 and facts["python"] == sys.version.split()[0]
    assert facts["cpu"] and facts["os"] and facts["host"] and facts["frameworks"]["numpy"]
    assert set(environment.COMPARABLE) - set(environment.OF_THE_RUN) <= set(facts)
    assert set(environment.CAPABILITIES) - {"backends"} <= set(facts)


def test_describing_imports_no_framework():
    code = "import sys; from runner.machine import environment; environment.describe(); print(sorted({'torch', 'onnxruntime', 'openvino', 'numpy'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=os.getcwd())).strip() == b"[]"


def test_nano_r32(tmp_path):
    facts = environment.describe(trees.nano_r32(tmp_path))
    assert facts["board"] == "NVIDIA Jetson Nano Developer Kit" and facts["l4t"] == "32.7.1" and facts["power_mode"] == "0 MAXN"
    assert facts["cpu"] == "Cortex-A57" and facts["governor"] == "schedutil" and facts["turbo"] is None
    assert facts["cpu_clocks_hz"] == {"cur": {"cpu0": 1479000000}, "min": {"cpu0": 102000000}, "max": {"cpu0": 1479000000}}
    assert facts["temperatures_c"] == {"AO-therm": 38.5, "GPU-therm": 31.0}


def test_agx_orin_r36(tmp_path):
    facts = environment.describe(trees.orin_agx_r36(tmp_path))
    assert facts["l4t"] == "36.4.3" and facts["power_mode"] == "2 MODE_30W" and "AGX Orin" in facts["board"]


def test_two_socket_server(tmp_path):
    facts = environment.describe(trees.server(tmp_path))
    assert facts["cpu"] == "Example(R) Xeon(R) 1234" and facts["cpu_flags"] == ["amx_bf16", "avx2", "avx512f", "fma"]
    assert facts["governor"] == "performance powersave" and facts["turbo"] is True and facts["board"] == "Example Inc. Server 2"
    assert facts["l4t"] is None and facts["power_mode"] is None


def test_an_empty_machine_has_no_facts_but_no_error_either(tmp_path):
    facts = environment.describe(str(tmp_path))
    for name in ("memory_bytes", "memory_limit_bytes", "governor", "turbo", "board", "l4t", "power_mode", "cuda", "container"):
        assert facts[name] is None
    assert facts["temperatures_c"] == {} and facts["cpu_flags"] is None


def test_a_masked_device_tree_is_replaced_by_what_the_host_passes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNO_BOARD", "NVIDIA Jetson Nano Developer Kit")
    monkeypatch.setenv("DYNO_POWER_MODE", "MAXN")
    assert board.model(str(tmp_path)) == "NVIDIA Jetson Nano Developer Kit" and board.power_mode(str(tmp_path)) == "MAXN"


@pytest.mark.parametrize(
    "files, expected",
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max"}, None),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max", "sys/fs/cgroup/a/memory.max": 536870912}, 536870912),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": 1073741824}, 1073741824),
        ({"proc/self/cgroup": "9:memory:/docker/ab\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": 9223372036854771712}, None),
        ({"proc/self/cgroup": "9:memory:/docker/ab\n", "sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes": 268435456}, 268435456),
        ({"proc/self/cgroup": "9:memory:/docker/ab\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": 268435456}, 268435456),
    ],
)
def test_memory_limits_of_both_cgroup_versions(tmp_path, files, expected):
    trees.build(tmp_path, dict(files, **{"proc/meminfo": "MemTotal:  8388608 kB"}))
    assert environment.memory(str(tmp_path)) == (8589934592, expected)


def test_a_garbled_cgroup_file_is_no_error(tmp_path):
    trees.build(tmp_path, {"proc/self/cgroup": "garbage\n::\n"})
    assert sysfs.cgroup_files(str(tmp_path), "memory", "memory.max") == []


def test_what_is_installed_is_read_from_the_names_of_its_metadata(tmp_path):
    for name in (
        "torch-2.13.0+cpu.dist-info",
        "onnxruntime_gpu-1.10.0.dist-info",
        "tensorrt-8.2.1.8.dist-info",
        "PyYAML-6.0.1-py3.6.egg-info",
        "torch",
    ):
        (tmp_path / "a" / name).mkdir(parents=True)
    (tmp_path / "b" / "torch-1.0.dist-info").mkdir(parents=True)  # later on the path, so not the one that is imported
    found = environment.installed([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "missing")])
    assert found == {"torch": "2.13.0+cpu", "onnxruntime-gpu": "1.10.0", "tensorrt": "8.2.1.8", "pyyaml": "6.0.1"}


def test_what_must_be_alike_follows_what_matters_and_nothing_else():
    facts = environment.describe()
    same = dict(facts, host="other", temperatures_c={"cpu": 90.0}, cpu_clocks_hz=dict(facts["cpu_clocks_hz"], cur={}), packages={})
    assert environment.comparable(same) == environment.comparable(facts)
    for name, value in (
        ("governor", "x"),
        ("frameworks", {}),
        ("power_mode", "x"),
        ("gpu_driver", "x"),
        ("thread_env", {"OMP_NUM_THREADS": "7"}),
        ("threads", 1000),
    ):
        assert environment.comparable(dict(facts, **{name: value})) != environment.comparable(facts)


def test_what_can_run_follows_what_is_installed_and_no_clock():
    facts = environment.describe()
    assert environment.capabilities(dict(facts, governor="x", thread_env={})) == environment.capabilities(facts)
    driver, package = dict(facts, gpu_driver="x"), dict(facts, packages=dict(facts["packages"], tensorrt="10.0"))
    for changed in (driver, package):
        assert environment.capabilities(changed) != environment.capabilities(facts)
    assert environment.differing(environment.capabilities(driver), environment.capabilities(facts)) == ["gpu_driver"]


def test_thread_settings_are_kept_and_secrets_are_not(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    facts = environment.describe()
    assert facts["thread_env"]["OMP_NUM_THREADS"] == "3" and "hidden" not in json.dumps(facts)


def test_the_image_says_what_it_is(monkeypatch):
    for name, value in (("DYNO_PLATFORM", "jetson-jp6"), ("DYNO_DEVICES", "gpu, cpu"), ("DYNO_IMAGE_DIGEST", "sha256:ab")):
        monkeypatch.setenv(name, value)
    facts = environment.describe()
    assert (facts["platform"], facts["devices"], facts["image_digest"]) == ("jetson-jp6", ["gpu", "cpu"], "sha256:ab")


@pytest.mark.parametrize(
    "files, expected",
    [
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": ""}, "podman"),
        ({"proc/self/cgroup": "3:cpu:/docker/abc"}, "docker"),
        ({}, None),
    ],
)
def test_containers_are_recognised(tmp_path, files, expected):
    assert environment.container(trees.build(tmp_path, files)) == expected


@pytest.mark.parametrize(
    "name, content", [("version.txt", "CUDA Version 10.2.89"), ("version.json", '{"cuda": {"name": "CUDA SDK", "version": "10.2.89"}}')]
)
def test_cuda_is_found_in_either_file(tmp_path, name, content):
    assert board.cuda(trees.build(tmp_path, {"usr/local/cuda/" + name: content})) == "10.2.89"


def test_load_is_three_numbers():
    assert len(environment.load_average()) == 3


class FakeNvml:
    class NVMLError(Exception):
        pass

    class Memory:
        total = 16 * 2**30

    closed = False

    def nvmlSystemGetDriverVersion(self):
        return b"550.54"

    def nvmlDeviceGetCount(self):
        return 1

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetName(self, handle):
        return b"Tesla T4"

    def nvmlDeviceGetMemoryInfo(self, handle):
        return self.Memory()

    def nvmlDeviceGetEnforcedPowerLimit(self, handle):
        raise self.NVMLError("Not Supported")

    def nvmlShutdown(self):
        self.closed = True


def test_gpus_through_nvml(monkeypatch, tmp_path):
    fake = FakeNvml()
    monkeypatch.setattr(gpus, "load_nvml", lambda: fake)
    facts = gpus.describe(str(tmp_path))
    assert (facts["gpu"], facts["gpu_driver"], facts["gpu_reason"]) == ("Tesla T4", "550.54", None)
    assert facts["gpus"][0]["memory_bytes"] == 16 * 2**30 and facts["gpus"][0]["power_limit_w"] is None
    assert fake.closed


def test_gpus_through_nvidia_smi_where_the_binding_is_missing(monkeypatch, tmp_path):
    script = tmp_path / "nvidia-smi"
    script.write_text("#!/bin/sh\necho 'Tesla T4, 550.54, 15360, 7.5, GPU-ab, 70.00, 1590, [N/A]'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    facts = gpus.describe(str(tmp_path))
    assert (facts["gpu"], facts["gpu_driver"]) == ("Tesla T4", "550.54")
    assert facts["gpus"][0]["memory_bytes"] == 15360 * 2**20 and facts["gpus"][0]["max_sm_clock_hz"] == 1590e6


def test_no_gpu_has_a_reason(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    facts = gpus.describe(str(tmp_path))
    assert facts["gpu"] is None and "pynvml" in facts["gpu_reason"] and "nvidia-smi" in facts["gpu_reason"]


def test_a_jetsons_gpu_is_named_without_nvml(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpus.describe(trees.nano_r32(tmp_path))["gpu"] == "Tegra 57000000.gpu"


def test_clocks_a_hundredth_apart_are_alike_and_other_ones_are_not():
    def at(hz):
        return environment.comparable({"cpu_clocks_hz": {"max": {"cpu0": hz, "cpu1": 1.2e9}, "cur": {"cpu0": hz / 2}}})

    assert at(2.30e9) == at(2.31e9) != at(2.9e9)
    assert environment.comparable({})["cpu_clock_max_ghz"] is None
