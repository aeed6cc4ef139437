"""What a dream climbs: layers and classes."""
