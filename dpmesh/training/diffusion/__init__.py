"""Training of the diffusion prior: the U-Net and its control branch take noise out of latents, steered by joints."""
