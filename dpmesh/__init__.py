"""One crop to one body: body model, geometry, network, training."""
