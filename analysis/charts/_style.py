"""Style: one meaning per colour, everywhere. Colour and shape are a network's family; kin share a hue. Backends are told apart by
panel and line, never by colour. Heat tables use one sequential scale. Palette: Okabe and Ito 2008, safe for colour-blind eyes."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap

OKABE_ITO = {
    "orange": "#E69F00", "sky": "#56B4E9", "green": "#009E73", "yellow": "#F0E442", "blue": "#0072B2", "vermillion": "#D55E00", "purple": "#CC79A7",
}  # fmt: skip
SHAPES = {"circle": "o", "square": "s", "triangle-up": "^", "diamond": "D", "cross": "P", "triangle-down": "v"}  # Vega's name: matplotlib's
FAMILIES = {
    "resnet": ("blue", "circle"), "resnext": ("blue", "square"), "wide_resnet": ("blue", "triangle-up"), "regnet": ("blue", "diamond"),
    "densenet": ("green", "circle"), "hardnet": ("green", "square"), "dpn": ("green", "triangle-up"),
    "vgg": ("vermillion", "circle"), "alexnet": ("vermillion", "square"), "squeezenet": ("vermillion", "triangle-up"),
    "mobilenet": ("orange", "circle"), "mnasnet": ("orange", "square"), "efficientnet": ("orange", "diamond"), "shufflenet": ("orange", "triangle-up"),
    "googlenet": ("purple", "circle"), "inception": ("purple", "square"),
    "convnext": ("sky", "circle"), "vit": ("sky", "square"), "swin": ("sky", "triangle-up"), "maxvit": ("sky", "diamond"),
}  # fmt: skip
HEAT = LinearSegmentedColormap.from_list("heat", ["#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"])
HEAT_DARK_FROM = 0.55  # beyond this share of the scale, text on HEAT is white


@dataclass(frozen=True)
class Style:
    """Inks of one theme and matplotlib's settings that go with it."""

    name: str = "light"
    paper: str = "#ffffff"
    ink: str = "#1b1f24"
    muted: str = "#656d76"
    grid: str = "#e3e6ea"
    curve: str = "#3d444d"
    rc: dict[str, Any] = field(default_factory=dict)

    def context(self) -> Any:
        """matplotlib's settings for this theme, as a context manager."""
        settings: dict[Any, Any] = {
            "figure.facecolor": self.paper, "axes.facecolor": self.paper, "savefig.facecolor": self.paper, "text.color": self.ink, "axes.labelcolor": self.ink,
            "axes.edgecolor": self.muted, "xtick.color": self.muted, "ytick.color": self.muted, "xtick.labelcolor": self.ink, "ytick.labelcolor": self.ink,
            "grid.color": self.grid, "axes.grid": True, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "font.size": 8.5,
            "axes.titlesize": 9, "axes.titley": 1.0, "axes.labelsize": 9, "legend.fontsize": 8, "legend.frameon": False, "font.family": "DejaVu Sans", "figure.dpi": 100,
            "savefig.dpi": 160, "svg.fonttype": "path", "svg.hashsalt": "dyno", "pdf.fonttype": 42, "text.parse_math": False, **self.rc,
        }  # fmt: skip
        return mpl.rc_context(settings)


LIGHT = Style()
DARK = Style("dark", "#14181d", "#e6e9ec", "#9aa4ae", "#2a3138", "#c9d1d9")


def family(name: str) -> tuple[str, str]:
    """(colour, Vega's shape name) of a family; one that is not in the list gets its own by its name, the same everywhere."""
    if name in FAMILIES:
        colour, shape = FAMILIES[name]
        return OKABE_ITO[colour], shape
    shapes = ("cross", "triangle-down")
    digest = hashlib.sha256(name.encode()).digest()
    return list(OKABE_ITO.values())[digest[0] % len(OKABE_ITO)], shapes[digest[1] % len(shapes)]


def marker(name: str) -> str:
    """matplotlib's marker of a family."""
    return SHAPES[family(name)[1]]


def order(families: Any) -> list[str]:
    """Families in legend order: as listed above, then the others by name."""
    known = list(FAMILIES)
    return sorted(set(families), key=lambda name: (known.index(name) if name in known else len(known), name))
