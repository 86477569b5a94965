"""From matrix.yaml to the ordered cells of one platform."""
