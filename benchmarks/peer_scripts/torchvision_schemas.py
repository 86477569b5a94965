"""Defines the schemas of two operators when torchvision is first imported, where its build and torch's don't match."""

import importlib.abc
import sys
from importlib.metadata import version


class Before(importlib.abc.MetaPathFinder):
    """Finds nothing: it acts once, when torchvision is looked for."""

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            if torch.version.cuda is None and "+cpu" not in version("torchvision"):
                self.library = torch.library.Library("torchvision", "DEF")
                self.library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
                self.library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
                keep.append(self.library)
        return None


keep = []
sys.meta_path.insert(0, Before())
