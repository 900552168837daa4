"""Training of the image autoencoder, whose encoder gives the network its latents."""
