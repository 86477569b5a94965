"""Ten classes of small pictures, drawn here, and a network that learns them in seconds."""

import colorsys
import os

import numpy

SHAPES = ("bar", "cross", "disc", "square", "triangle")
CLASSES = ["%d-%s" % (hue, SHAPES[hue % 5]) for hue in range(10)]
MEAN, STD = numpy.float32([0.4914, 0.4822, 0.4465]), numpy.float32([0.2470, 0.2435, 0.2616])
JITTER = 0.45  # of the hue, in classes: neighbours overlap, so that nobody is always right


def draw(count, seed):
    """(uint8 pixels (count, 32, 32, 3), labels), every class equally often: a shape on grey noise, its hue near that of its class."""
    random = numpy.random.RandomState(seed)
    labels = numpy.arange(count) % len(CLASSES)
    random.shuffle(labels)
    y, x = numpy.mgrid[:32, :32].astype(float)
    pictures = []
    for label in labels:
        top, left, radius = random.randint(11, 21), random.randint(11, 21), random.randint(7, 11)
        dy, dx = numpy.abs(y - top), numpy.abs(x - left)
        distance = [
            numpy.maximum(dy * 2, dx),
            numpy.maximum(numpy.minimum(dy, dx) * 3, numpy.maximum(dy, dx)),
            numpy.hypot(dy, dx),
            numpy.maximum(dy, dx),
            numpy.maximum(dx * 2 + (y - top), top - y),
        ][label % 5]
        colour = colorsys.hsv_to_rgb((label + random.normal(0, JITTER)) / 10 % 1, 1, 1)
        picture = numpy.where((distance < radius)[..., None], 255 * numpy.array(colour), 128) + random.normal(0, 20, (32, 32, 3))
        pictures.append(picture.clip(0, 255).astype(numpy.uint8))
    return numpy.stack(pictures), labels


def prepared(pixels):
    """As a network of 32 px is fed: float32 (images, 3, 32, 32)."""
    return numpy.ascontiguousarray(((pixels.astype(numpy.float32) / 255 - MEAN) / STD).transpose(0, 3, 1, 2))


def network(num_classes=10):
    from torch import nn

    layers, channels = [], 3
    for width in (16, 32):
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*(layers + [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]))


def trained(path, images=400, epochs=6):
    """Train the network, write its state_dict and return it in eval mode."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    pixels, labels = draw(images, seed=1)
    x, y = torch.from_numpy(prepared(pixels)), torch.from_numpy(labels)
    model = network()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(epochs):
        for batch in torch.randperm(images).split(50):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
    torch.save(model.state_dict(), path)
    return model.eval()


def as_folder(folder, pixels, labels):
    """ImageNet's layout: one folder of PNG files per class."""
    from PIL import Image

    for index, (picture, label) in enumerate(zip(pixels, labels)):
        place = os.path.join(str(folder), CLASSES[label])
        os.makedirs(place, exist_ok=True)
        Image.fromarray(picture).save(os.path.join(place, "%04d.png" % index))


def as_cifar(path, pixels, labels, coarse=None):
    """CIFAR's binary version; with coarse labels that of CIFAR-100."""
    with open(str(path), "wb") as file:
        for index, (picture, label) in enumerate(zip(pixels, labels)):
            head = [label] if coarse is None else [coarse[index], label]
            file.write(bytes(bytearray(head)) + picture.transpose(2, 0, 1).tobytes())
