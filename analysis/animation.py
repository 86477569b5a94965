"""Figure 1 being drawn, network by network."""
def write(frame, path):
    return None
