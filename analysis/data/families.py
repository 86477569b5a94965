"""The family that a network belongs to, for torchvision's, timm's and anybody's names: relatives share one."""

import re

# Prefixes that say who ported or trained a network, or what was put into it, but not what it is.
_ORIGIN = re.compile(r"^(adv|bat|dm|eca|ens|ese|gc|gluon|halo|ig|jx|lambda|legacy|nf|ssl|swsl|test|tf|tiny|tv)_(?=[a-z])")
# The first pattern that a name begins with names its family; any other's family is the letters that it begins with.
_TABLE = (
    (r"wide_resnet", "wide_resnet"),
    (r"inception_resnet", "inception_resnet"),
    (r"inception_next", "inception_next"),
    (r"(se|eca|sk|gc)?resnext", "resnext"),
    (r"(se|eca|sk|gc)?resnet|senet", "resnet"),
    (r"res2ne[tx]t?", "res2net"),
    (r"(se|lamhalo|halo2)?bot(net|next)|(se)?halo(net|next|regnet)", "botnet"),
    (r"(se|sp)?mnasnet|spnasnet|fbnetc", "mnasnet"),
    (r"mobilenet|fbnetv3|hardcorenas|lcnet", "mobilenet"),
    (r"efficientnet|mixnet|tinynet", "efficientnet"),
    (r"regnet", "regnet"),
    (r"deit|flexivit|naflexvit|vit_|eva|beit|samvit|aimv2", "vit"),
    (r"sam2_hiera|hiera", "hiera"),
    (r"(cs3|csp)?(se)?darknet|cs3|cspresne", "darknet"),
    (r"caformer|convformer|poolformer", "metaformer"),
    (r"coatnet|coatnext|maxvit|maxxvit", "maxvit"),
    (r"g?mixer|gmlp|resmlp", "mixer"),
    (r"p?nasnet", "nasnet"),
    (r"(rep)?ghostnet", "ghostnet"),
    (r"densenet|rdnet", "densenet"),
    (r"rexnet", "rexnet"),
)
_FAMILIES = tuple((re.compile(pattern), name) for pattern, name in _TABLE)


def family(model: str) -> str:
    """`timm:tf_efficientnet_b0.ns_jft_in1k` -> efficientnet, `wide_resnet50_2` -> wide_resnet, `mobilenet_v3_small` -> mobilenet."""
    name = re.split(r"[:/\\]", model)[-1].lower()
    while _ORIGIN.match(name):
        name = _ORIGIN.sub("", name)
    for pattern, known in _FAMILIES:
        if pattern.match(name):
            return known
    match = re.match(r"[a-z]+", name)
    return re.sub(r"(?<=..)v$", "", match.group()) if match else name
